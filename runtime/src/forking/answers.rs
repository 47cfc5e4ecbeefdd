//! What the server does for a child: it sends its datagrams, looks up its names, prints its lines.

use std::net::IpAddr;

use super::message::{Answer, Question};
use super::{Hands, Zygote};
use crate::address::{ClientAddress, Endpoint};
use crate::output::{Lines, Print as _, mark};
use crate::replies::NotSent;
use crate::sandbox::LOOKUPS;
use crate::text::harmless;

impl Zygote {
    /// What a question comes to; all that was asked of the guest is asked here again, since a child is not trusted.
    ///
    /// `look_ups` counts the names that this request has asked for.
    pub(super) async fn answer(
        &self,
        question: Question,
        client: &ClientAddress,
        hands: &Hands,
        look_ups: &mut usize,
    ) -> Answer {
        match (question, hands) {
            (Question::Send { bytes, to }, Hands::Packet { replies, .. }) => {
                Answer::Sent(if self.may_send(&to, client) {
                    replies.send(bytes, &to).await
                } else {
                    Err(NotSent::Denied)
                })
            }
            (Question::Send { .. }, Hands::Connection { .. }) => {
                Answer::Sent(Err(NotSent::NotConnected))
            }
            (Question::LookUp { name }, _) => {
                *look_ups += 1;
                Answer::LookedUp(if *look_ups > LOOKUPS {
                    None
                } else {
                    self.look_up(&name).await
                })
            }
        }
    }

    fn may_send(&self, to: &Endpoint, client: &ClientAddress) -> bool {
        let granted = |to| self.grants.may_send_to(to);
        *to == client.endpoint || to.ip().is_some_and(granted)
    }

    async fn look_up(&self, name: &str) -> Option<Vec<IpAddr>> {
        if !self.grants.may_look_up(name) {
            return None;
        }
        let found = tokio::net::lookup_host((name, 0)).await.ok()?;
        Some(found.map(|address| address.ip().to_canonical()).collect())
    }

    /// Prints a line of a handler's, whatever its child says that it is.
    pub(super) fn print(&self, request: u64, lines: Lines, text: &str) {
        let text = text.strip_suffix('\n').unwrap_or(text);
        let mark = match lines {
            Lines::Out => String::new(),
            Lines::Err => mark(&self.handler_name, request),
        };
        let text = text.strip_prefix(&mark).unwrap_or(text);
        let text = harmless(text.as_bytes());
        self.output.print(lines, format!("{mark}{text}\n"));
    }
}
