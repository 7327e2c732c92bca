//! How a node is started, what carries its messages, and what may be done to it.

use std::rc::Rc;

use workloads::Client;

use super::client::MaelstromClient;
use super::network::Network;
use super::settings::{MaelstromSettings, SettingsError};
use super::{claims, requests};
use crate::arena::addresses::Addresses;
use crate::arena::launch::{Launch, LaunchError, Place, Program, Ready};
use crate::arena::processes::carried::Carrier;
use crate::systems::system::{Claims, System};

/// Where a node may keep its files.
const DATA_VARIABLE: &str = "DISSENSUS_DATA";

/// Nodes of one program, configured.
pub(super) struct Maelstrom {
    settings: MaelstromSettings,
    network: Rc<Network>,
}

impl Maelstrom {
    /// A configured cluster.
    ///
    /// # Errors
    /// When the settings cannot work.
    pub fn new(settings: MaelstromSettings, seed: u64) -> Result<Self, SettingsError> {
        settings.check()?;
        Ok(Self { network: Rc::new(Network::new(&settings, seed)), settings })
    }
}

impl System for Maelstrom {
    fn name(&self) -> &'static str {
        "maelstrom"
    }

    fn nodes(&self) -> Vec<String> {
        self.network.names().to_vec()
    }

    fn launch(&self, place: &Place) -> Result<Launch, LaunchError> {
        Ok(Launch {
            arguments: self.settings.bin[1..].to_vec(),
            environment: vec![(DATA_VARIABLE.to_owned(), place.data_dir.display().to_string())],
            ..Launch::new(self.settings.program(), Ready::Carried)
        })
    }

    fn programs(&self) -> Vec<Program> {
        vec![self.settings.program()]
    }

    fn carrier(&self) -> Option<Rc<dyn Carrier>> {
        Some(Rc::clone(&self.network) as Rc<dyn Carrier>)
    }

    fn client(&self, _addresses: Addresses) -> Box<dyn Client> {
        self.network.begin();
        Box::new(MaelstromClient::new(Rc::clone(&self.network), &self.settings))
    }

    fn can(&self, workload: &str, f: &str) -> bool {
        requests::can(workload, f)
    }

    fn claims(&self) -> Claims {
        claims::claims(&self.settings)
    }

    /// Programs log the messages that they send and receive, and some of those are errors of the protocol.
    fn expected_in_logs(&self) -> Vec<&str> {
        vec!["\"type\":\"error\"", "\"type\": \"error\"", ":type=>\"error\""]
    }
}
