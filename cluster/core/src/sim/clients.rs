//! Coordinating clients in the simulated world: beside the nodes, with true clocks, over the same network.

use super::clock::SimClock;
use super::latency::Leg;
use super::world::{Answer, ClientId, ClientSeat, Event, World};
use crate::api::{Now, Reply, Request};
use crate::client::{CallId, Client, Counters, Effect, Input, Response};
use crate::config::ConfigError;
use crate::ids::{NodeId, RequestId};

impl World {
    /// A client that coordinates its requests itself (6.4). Every client and every world needs a seed of its own.
    ///
    /// # Errors
    /// When the settings cannot work.
    pub fn add_client(&mut self, seed: u64) -> Result<ClientId, ConfigError> {
        let mut effects = Vec::new();
        let client = Client::start(self.settings.config.clone(), seed, self.client_now(), &mut effects)?;
        let id = ClientId(self.clients.len() as u16);
        self.clients.push(ClientSeat { client, timer_ns: None });
        self.carry_out_for_client(id, effects);
        Ok(id)
    }

    /// Hands a request to a coordinating client: a call within one process, which takes no time. The answer is found by
    /// [`World::take_answer`].
    pub fn client_request(&mut self, client: ClientId, request: Request) -> RequestId {
        self.requests += 1;
        let id = RequestId(self.requests);
        self.client_input(client, Input::Request { id, request });
        id
    }

    /// What a coordinating client has done so far.
    pub fn client_counters(&self, client: ClientId) -> Counters {
        self.clients[usize::from(client.0)].client.counters()
    }

    /// A client's clock is right: it is on no machine that the nemesis touches.
    fn client_now(&self) -> Now {
        Now { monotonic_ns: self.now_ns, wall_ns: SimClock::default().wall_ns(self.now_ns) }
    }

    /// The alarm of a client; one that was set anew meanwhile is not this one.
    pub(super) fn client_timer(&mut self, client: ClientId) {
        let seat = &mut self.clients[usize::from(client.0)];
        if seat.timer_ns.is_some_and(|at_ns| at_ns <= self.now_ns) {
            seat.timer_ns = None;
            self.client_input(client, Input::Timer);
        }
    }

    pub(super) fn client_heard(&mut self, client: ClientId, call: CallId, response: Response) {
        self.client_input(client, Input::Response { call, response });
    }

    /// An answer has arrived: whether it was for a call of a client, which has now heard it.
    pub(super) fn is_client_call(&mut self, id: RequestId, answer: &Answer) -> bool {
        let Some((client, call)) = self.calls.remove(&id) else { return false };
        let response = match answer {
            Answer::Reply(reply) => Response::Reply(reply.clone()),
            Answer::ConnectionLost => Response::Lost("the connection was lost".into()),
        };
        self.client_heard(client, call, response);
        true
    }

    fn client_input(&mut self, client: ClientId, input: Input) {
        let now = self.client_now();
        let mut effects = Vec::new();
        self.clients[usize::from(client.0)].client.handle(now, input, &mut effects);
        self.carry_out_for_client(client, effects);
    }

    fn carry_out_for_client(&mut self, client: ClientId, effects: Vec<Effect>) {
        for effect in effects {
            match effect {
                Effect::Call { call, node, request } => self.call_node(client, call, node, request),
                Effect::Reply { request, reply } => self.answer_application(request, reply),
                Effect::SetTimer { at_ns } => {
                    let at_ns = at_ns.max(self.now_ns);
                    self.clients[usize::from(client.0)].timer_ns = Some(at_ns);
                    self.schedule(at_ns, Event::ClientTimer { client });
                }
            }
        }
    }

    fn call_node(&mut self, client: ClientId, call: CallId, node: NodeId, request: Request) {
        let leg = Leg::of_request(&request);
        match self.send_request(node, request) {
            Some(id) => {
                self.calls.insert(id, (client, call));
            }
            // A closed port answers, too.
            None => {
                let at_ns = self.now_ns + self.client_delay_ns(leg);
                let response = Response::NotSent("the node is not running".into());
                self.schedule(at_ns, Event::ClientHears { client, call, response });
            }
        }
    }

    /// In the queue all the same, so that answers come at steps of the world and nowhere else.
    fn answer_application(&mut self, id: RequestId, reply: Reply) {
        self.trace.note(&(7u8, id));
        self.schedule(self.now_ns, Event::Answer { id, answer: Answer::Reply(reply) });
    }
}
