//! Flags of `runtime serve` about its clients: who gets in.

use clap::Args;

use super::values::Network;
use crate::IpNet;

/// Who gets in.
#[derive(Debug, Args)]
#[command(next_help_heading = "Clients")]
pub(super) struct ClientFlags {
    /// Let in clients of this network, or this address, and nobody else; may be given several times
    ///
    /// The longest network that holds a client's address decides between --allow and --deny, and of two equal
    /// ones --deny. For tcp and udp.
    #[arg(long, value_name = "CIDR")]
    allow: Vec<Network>,

    /// Refuse clients of this network, or this address, before they use up anything; may be given several
    /// times
    #[arg(long, value_name = "CIDR")]
    deny: Vec<Network>,
}

impl ClientFlags {
    pub(super) fn allow(&self) -> Vec<IpNet> {
        self.allow.iter().map(|network| network.0).collect()
    }

    pub(super) fn deny(&self) -> Vec<IpNet> {
        self.deny.iter().map(|network| network.0).collect()
    }
}
