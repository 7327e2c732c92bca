//! Transactions, each in a session that it has to itself meanwhile.
//!
//! What is sent before `COMMIT` has no effect unless that follows: a database rolls back what is not committed, and so
//! ends a session that is closed. So a transaction fails wherever it fails before, and only an answer to `COMMIT` that
//! does not come leaves its outcome unknown.

use std::cell::RefCell;
use std::collections::BTreeMap;

use serde_json::Value;
use workloads::{Attempt, Completion, Operation};

use super::session::{Access, Answer, Database, Failure, Session};

/// Transactions through the nodes of a database.
pub struct Transactions {
    database: Box<dyn Database>,
    idle: RefCell<Idle>,
}

/// Sessions without a transaction, by the node whose clients they are of.
type Idle = BTreeMap<(String, Access), Vec<Box<dyn Session>>>;

/// A transaction that is under way.
pub struct Transaction<'s> {
    session: &'s mut dyn Session,
}

/// Why a transaction is not committed.
#[derive(Debug)]
pub enum Stop {
    /// A statement failed.
    Failed(Failure),
    /// It was found that it must not happen.
    Ends(Completion),
}

impl Transactions {
    /// Of this database.
    pub fn new(database: Box<dyn Database>) -> Self {
        Self { database, idle: RefCell::default() }
    }

    /// Does an operation in a transaction, which is rolled back if the work in it fails, else committed.
    ///
    /// # Errors
    /// With the completion of an operation that has not succeeded.
    pub async fn transact(
        &self,
        node: &str,
        operation: &Operation,
        attempt: &Attempt,
        work: impl AsyncFnOnce(&mut Transaction<'_>) -> Result<Value, Stop>,
    ) -> Result<Completion, Completion> {
        let access = if operation.only_reads() { Access::Read } else { Access::Write };
        attempt.reading("transaction before its commit");
        let mut session = self.session(node, access).await.map_err(|why| operation.fail(why))?;
        let worked = begin(&mut *session, work).await;
        let value = match worked {
            Ok(value) => value,
            Err(stop) => {
                self.roll_back(node, access, session, &stop).await;
                return Err(stop.completion(operation));
            }
        };
        if access == Access::Write {
            attempt.writing("commit");
        }
        let committed = session.run("COMMIT").await;
        self.keep(node, access, session, committed.as_ref().err());
        match committed {
            Ok(_) => Ok(operation.ok(value)),
            Err(failure) if access == Access::Read || failure.is_rolled_back() => {
                Err(operation.fail(failure.to_string()))
            }
            Err(failure) => Err(operation.info(format!("the commit: {failure}"))),
        }
    }

    /// One that is idle, or a new one.
    async fn session(&self, node: &str, access: Access) -> Result<Box<dyn Session>, String> {
        let idle = self.idle.borrow_mut().get_mut(&(node.to_owned(), access)).and_then(Vec::pop);
        match idle {
            Some(session) => Ok(session),
            None => self.database.open(node, access).await,
        }
    }

    /// Ends a transaction that is not to be committed, so that its session can be used again.
    async fn roll_back(&self, node: &str, access: Access, mut session: Box<dyn Session>, stop: &Stop) {
        let rolled_back = match stop {
            Stop::Failed(lost @ Failure::Lost(_)) => Err(lost.clone()),
            _ => session.run("ROLLBACK").await,
        };
        self.keep(node, access, session, rolled_back.as_ref().err());
    }

    /// Keeps a session for the next transaction. A node that has died takes its sessions along: where one is lost, all
    /// idle ones of the same node are dropped.
    fn keep(&self, node: &str, access: Access, session: Box<dyn Session>, failure: Option<&Failure>) {
        let (mut all, at) = (self.idle.borrow_mut(), (node.to_owned(), access));
        match failure {
            None => all.entry(at).or_default().push(session),
            Some(Failure::Lost(_)) => drop(all.remove(&at)),
            // It is not certain in which state it is.
            Some(Failure::Refused { .. }) => {}
        }
    }
}

/// Begins a transaction and does the work in it.
async fn begin(
    session: &mut dyn Session,
    work: impl AsyncFnOnce(&mut Transaction<'_>) -> Result<Value, Stop>,
) -> Result<Value, Stop> {
    session.run("BEGIN").await.map_err(Stop::Failed)?;
    work(&mut Transaction { session }).await
}

impl Transaction<'_> {
    /// Executes a statement in it.
    ///
    /// # Errors
    /// When the statement fails.
    pub async fn run(&mut self, statement: &str) -> Result<Answer, Stop> {
        self.session.run(statement).await.map_err(Stop::Failed)
    }

    /// The first value of the first row that a query returns; none if it returns no row.
    ///
    /// # Errors
    /// When the query fails.
    pub async fn value(&mut self, query: &str) -> Result<Option<String>, Stop> {
        Ok(self.run(query).await?.rows.into_iter().next().and_then(|row| row.into_iter().next()))
    }

    /// Changes a row by `update`, or makes it by `insert` where there is none yet. Where another transaction makes it at
    /// the same time, the insertion fails, and nothing has happened.
    ///
    /// # Errors
    /// When a statement fails.
    pub async fn put(&mut self, update: &str, insert: &str) -> Result<(), Stop> {
        if self.run(update).await?.changed == 0 {
            self.run(insert).await?;
        }
        Ok(())
    }
}

impl Stop {
    fn completion(self, operation: &Operation) -> Completion {
        match self {
            Stop::Failed(failure) => operation.fail(failure.to_string()),
            Stop::Ends(completion) => completion,
        }
    }
}

#[cfg(test)]
pub(super) mod tests {
    use std::collections::VecDeque;
    use std::rc::Rc;

    use futures::FutureExt;
    use futures::future::LocalBoxFuture;
    use serde_json::json;
    use workloads::{Invocation, Outcome};

    use super::super::session::SessionFuture;
    use super::*;

    /// What each statement comes to, in order, and what was executed: the sessions are numbered.
    #[derive(Clone, Default)]
    pub struct Script {
        answers: Rc<RefCell<VecDeque<Result<Answer, Failure>>>>,
        executed: Rc<RefCell<Vec<String>>>,
        sessions: Rc<RefCell<usize>>,
    }

    struct Scripted(Script, usize);

    impl Script {
        /// Its database, whose statements come to these; `BEGIN`, `COMMIT` and `ROLLBACK` too.
        pub fn of(answers: Vec<Result<Answer, Failure>>) -> (Transactions, Self) {
            let script = Self { answers: Rc::new(RefCell::new(answers.into())), ..Self::default() };
            (Transactions::new(Box::new(script.clone())), script)
        }

        /// Statements, each with the number of its session.
        pub fn executed(&self) -> Vec<String> {
            self.executed.borrow().clone()
        }
    }

    impl Database for Script {
        fn open<'a>(&'a self, _: &'a str, _: Access) -> LocalBoxFuture<'a, Result<Box<dyn Session>, String>> {
            *self.sessions.borrow_mut() += 1;
            let session: Box<dyn Session> = Box::new(Scripted(self.clone(), *self.sessions.borrow()));
            futures::future::ready(Ok(session)).boxed_local()
        }
    }

    impl Session for Scripted {
        fn run<'a>(&'a mut self, statement: &'a str) -> SessionFuture<'a, Answer> {
            self.0.executed.borrow_mut().push(format!("{} {statement}", self.1));
            let answer = self.0.answers.borrow_mut().pop_front();
            futures::future::ready(answer.unwrap_or_else(|| Err(Failure::Lost("it was closed".into())))).boxed_local()
        }
    }

    pub fn done() -> Result<Answer, Failure> {
        Ok(Answer::default())
    }

    pub fn found(value: &str) -> Result<Answer, Failure> {
        Ok(Answer { rows: vec![vec![value.to_owned()]], changed: 0 })
    }

    pub fn changed(changed: u64) -> Result<Answer, Failure> {
        Ok(Answer { rows: Vec::new(), changed })
    }

    pub fn refused(state: &str) -> Result<Answer, Failure> {
        Err(Failure::Refused { state: state.to_owned(), why: "so".to_owned() })
    }

    fn lost() -> Result<Answer, Failure> {
        Err(Failure::Lost("it was closed".into()))
    }

    /// What an insertion comes to whose statements come to these, and what was executed.
    async fn insertion(answers: Vec<Result<Answer, Failure>>) -> (Outcome, Vec<String>) {
        let (transactions, script) = Script::of(answers);
        let operation = Invocation::of("write", "a", 1).by("cas-register", 1);
        let attempt = Attempt::default();
        let work = async |transaction: &mut Transaction<'_>| {
            transaction.run("INSERT").await?;
            Ok(json!(1))
        };
        let done = transactions.transact("n1", &operation, &attempt, work).await;
        (done.unwrap_or_else(|completion| completion).outcome, script.executed())
    }

    #[tokio::test]
    async fn only_a_commit_is_of_unknown_outcome() {
        let outcomes = [
            (vec![done(), changed(1), done()], Outcome::Ok),
            (vec![lost()], Outcome::Fail),
            (vec![done(), lost()], Outcome::Fail),
            (vec![done(), refused("40001"), done()], Outcome::Fail),
            (vec![done(), changed(1), refused("40001")], Outcome::Fail),
            (vec![done(), changed(1), refused("57P01")], Outcome::Info),
            (vec![done(), changed(1), lost()], Outcome::Info),
        ];
        for (answers, outcome) in outcomes {
            assert_eq!(insertion(answers.clone()).await.0, outcome, "{answers:?}");
        }
    }

    #[tokio::test]
    async fn what_fails_is_rolled_back_unless_the_session_is_lost() {
        let (_, executed) = insertion(vec![done(), refused("23505"), done()]).await;
        assert_eq!(executed, ["1 BEGIN", "1 INSERT", "1 ROLLBACK"]);
        let (_, executed) = insertion(vec![done(), lost()]).await;
        assert_eq!(executed, ["1 BEGIN", "1 INSERT"]);
    }

    #[tokio::test]
    async fn a_session_is_used_again_until_it_fails() {
        let of_one = [done(), done()];
        let (transactions, script) = Script::of([&of_one[..], &of_one, &[done(), refused("40001")]].concat());
        let operation = Invocation::of("write", "a", 1).by("cas-register", 1);
        for _ in 0..4 {
            let work = async |_: &mut Transaction<'_>| Ok(json!(1));
            let _ = transactions.transact("n1", &operation, &Attempt::default(), work).await;
        }
        let sessions: Vec<char> = script.executed().iter().filter_map(|it| it.chars().next()).collect();
        assert_eq!(sessions, ['1', '1', '1', '1', '1', '1', '2']);
    }
}
