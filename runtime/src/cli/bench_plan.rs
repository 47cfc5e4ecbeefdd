//! The plan that the flags of `runtime bench` make: files are read, and the host is resolved.

use std::path::Path;
use std::thread::available_parallelism;
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use bytes::Bytes;

use super::bench::{Bench, Expect, LONGEST_UDP};
use crate::Transport;
use crate::bench::{Expected, Length, Plan, Target, Timing};

/// What a generated payload is made of: nothing that a server would strip, split or leave alone.
const LETTERS: &[u8] = b"abcdefghijklmnopqrstuvwxyz0123456789";

impl Bench {
    /// What is to be done.
    pub(super) fn plan(&self) -> Result<Plan> {
        let payload = self.payload()?;
        let expected = self.expected(&payload)?;
        self.check_files(&payload, &expected)?;
        Ok(Plan {
            target: Target::resolve(&self.address)?,
            connections: self.connections.get() as usize,
            threads: self.threads(),
            expected,
            payload,
            per_connection: self.per_connection(),
            half_close: self.request.half_close,
            timeout: self.timeout.0,
            timing: self.timing(),
        })
    }

    /// What can only be known once files have been read.
    fn check_files(&self, payload: &Bytes, expected: &Expected) -> Result<()> {
        let is_udp = self.address.transport() == Transport::Udp;
        ensure!(
            !is_udp || payload.len() as u64 <= LONGEST_UDP,
            "the payload has {} bytes, and a datagram of udp at most {LONGEST_UDP}",
            payload.len()
        );
        let is_empty =
            payload.is_empty() || matches!(expected, Expected::Bytes(reply) if reply.is_empty());
        ensure!(
            self.is_one_each() || !is_empty,
            "an empty payload or reply has no end on a connection with others: leave out \
             --requests-per-connection"
        );
        Ok(())
    }

    fn timing(&self) -> Timing {
        let (length, warm_up) = match (self.requests, self.duration) {
            (Some(requests), _) => (Length::Requests(requests.get()), Duration::ZERO),
            (None, Some(time)) => (Length::Time(time.0), Duration::from_secs(1)),
            (None, None) => (
                Length::Time(Duration::from_secs(10)),
                Duration::from_secs(1),
            ),
        };
        Timing {
            warm_up: self.warm_up.map_or(warm_up, |time| time.0),
            length,
            rate: self.rate,
        }
    }

    fn threads(&self) -> usize {
        let half = || available_parallelism().map_or(1, |cores| (cores.get() / 2).max(1));
        self.threads.map_or_else(half, |threads| threads as usize)
    }

    fn payload(&self) -> Result<Bytes> {
        match &self.request.payload {
            Some(file) => read(file, "payload"),
            None => Ok(line(usize::try_from(self.request.size.0)?)),
        }
    }

    fn expected(&self, payload: &Bytes) -> Result<Expected> {
        Ok(match &self.request.expect {
            Expect::Any => Expected::Any,
            Expect::Echo => Expected::echo(payload),
            Expect::Upper => Expected::upper(payload),
            Expect::UpperStripped => Expected::upper_stripped(payload),
            Expect::File(file) => Expected::Bytes(read(file, "expected reply")?),
        })
    }
}

fn read(file: &Path, what: &str) -> Result<Bytes> {
    let bytes = std::fs::read(file);
    let bytes = bytes.with_context(|| format!("cannot read the {what} {}", file.display()))?;
    Ok(bytes.into())
}

/// A line of `length` bytes, its end included.
fn line(length: usize) -> Bytes {
    let letters = LETTERS.iter().copied().cycle();
    let text = letters.take(length.saturating_sub(1));
    text.chain((length > 0).then_some(b'\n')).collect()
}

#[cfg(test)]
mod tests {
    use super::line;

    #[test]
    fn a_generated_payload_is_one_line_of_its_length() {
        for length in [0, 1, 2, 100] {
            let line = line(length);
            assert_eq!(line.len(), length);
            assert_eq!(line.ends_with(b"\n"), length > 0);
            assert_eq!(line.trim_ascii().len(), length.saturating_sub(1));
        }
    }
}
