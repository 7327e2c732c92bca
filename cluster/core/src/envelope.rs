//! A message as it travels: in which version of the protocol it is written, and which versions its sender speaks.

use crate::message::Message;
use crate::protocol::{Protocol, VersionRefused};

/// A message as it travels.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Envelope {
    /// The version that the message is written in.
    pub version: u8,
    /// The newest version that its sender speaks.
    pub newest: u8,
    /// What it says.
    pub message: Message,
}

impl Envelope {
    /// A message from a node of the first version.
    pub fn oldest(message: Message) -> Self {
        let version = Protocol::OLDEST.number();
        Self { version, newest: version, message }
    }

    /// The message, for a node of this version.
    ///
    /// # Errors
    /// When the node does not speak the envelope's version, or that version has no such message.
    pub fn open(self, own: Protocol) -> Result<Message, VersionRefused> {
        own.check(self.version)?;
        let since = self.message.since().number();
        if since > self.version {
            return Err(VersionRefused::TooNew { since, version: self.version });
        }
        Ok(self.message)
    }
}

impl Message {
    /// The first version that has such a message.
    pub fn since(&self) -> Protocol {
        match self {
            Message::StoredAll { .. }
            | Message::StoreBuffered { .. }
            | Message::TagFenced { .. }
            | Message::Guard { .. }
            | Message::Guarded { .. }
            | Message::Fence { .. }
            | Message::Fenced { .. }
            | Message::Reap { .. }
            | Message::Reaped { .. } => Protocol::SECOND,
            Message::InView { message, .. } => message.since(),
            _ => Protocol::OLDEST,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::message::Tag;

    #[test]
    fn a_message_that_its_version_has_no_word_for_is_refused() {
        let late = Message::StoredAll { tags: vec![Tag(1)] };
        let envelope = Envelope { version: 1, newest: 2, message: late.clone() };
        assert_eq!(envelope.open(Protocol::NEWEST), Err(VersionRefused::TooNew { since: 2, version: 1 }));
        let envelope = Envelope { version: 2, newest: 2, message: late.clone() };
        assert_eq!(envelope.clone().open(Protocol::NEWEST), Ok(late));
        assert!(matches!(envelope.open(Protocol::OLDEST), Err(VersionRefused::NotSpoken { .. })));
    }
}
