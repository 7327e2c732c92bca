//! What the Dynamo paper measured, measured again with the code that the nodes run.

pub mod load;
