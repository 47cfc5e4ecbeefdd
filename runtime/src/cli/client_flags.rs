//! Flags of `runtime serve` about its clients: who gets in.

use clap::Args;

use crate::{IpNet, client_network};

/// Who gets in.
#[derive(Debug, Args)]
#[command(next_help_heading = "Clients")]
pub(super) struct ClientFlags {
    /// Let in clients of this network, or this address, and nobody else; may be given several times
    ///
    /// The longest network that holds a client's address decides between --allow and --deny, and of two equal
    /// ones --deny. For tcp and udp.
    #[arg(long, value_name = "CIDR", value_parser = client_network)]
    pub(super) allow: Vec<IpNet>,

    /// Refuse clients of this network, or this address, before they use up anything; may be given several
    /// times
    #[arg(long, value_name = "CIDR", value_parser = client_network)]
    pub(super) deny: Vec<IpNet>,
}
