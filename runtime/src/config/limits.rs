//! The table of limits, written once: fields, defaults, bounds, flags, help, documentation and the README's
//! table all come from the rows below.

use std::time::Duration;

use super::ConfigError;
use super::table::{Amount, Applies, Limit, Row, Unit, check, limits, unit_words};

const KIB: u64 = 1 << 10;
const MIB: u64 = 1 << 20;
const GIB: u64 = 1 << 30;

/// A time is checked in nanoseconds.
const MILLISECOND: u64 = 1_000_000;

limits! {
    /// What one request may use, and where it ends otherwise.
    ///
    /// ```
    /// use runtime::Limits;
    /// use std::time::Duration;
    /// let limits = Limits { cpu_limit: Some(Duration::from_millis(100)), ..Limits::default() };
    /// assert_eq!(limits.max_memory, 64 << 20);
    /// ```
    Limits {
        max_memory: u64 = 64 * MIB, "max-memory";
        Bytes, All, 65_536..=4 * GIB;
        "Bytes of all linear memories and tables of an instance together; a table element counts 8, a global and an entry of a segment that the engine keeps 16."
        "Enough for an interpreter, and little enough that one instruction that fills all of it, which nothing \
         can interrupt, ends within about 40 ms; 256MiB take 150 ms, 1GiB a second."
        "memory", "limits::memory_below_the_limit_is_given_and_above_it_refused";

        max_table_elements: u32 = 20_000, "max-table-elements";
        Number, All, 1..=10_000_000;
        "Elements of one table."
        "A handler compiled from Python has 5,674."
        "memory", "zoo/odd::odd_components_are_refused_or_served_and_nothing_else";

        max_memories: u32 = 8, "max-memories";
        Number, All, 1..=100;
        "Linear memories of a component; one that has more is not loaded."
        "Each takes 4 GiB of the address space for every request at once; languages use one or two."
        "none: not served", "limits::a_component_of_too_many_parts_is_not_served";

        max_tables: u32 = 16, "max-tables";
        Number, All, 1..=1000;
        "Tables of a component; one that has more is not loaded."
        "Each has its place in the pool for every request at once; languages use one to four."
        "none: not served", "limits::a_component_of_too_many_parts_is_not_served";

        max_instances: u32 = 64, "max-instances";
        Number, All, 1..=1000;
        "Core instances of a component; one that has more is not loaded."
        "Each is made anew for every request; one in Python has 14."
        "none: not served", "limits::a_component_of_too_many_parts_is_not_served";

        max_stack: u64 = 512 * KIB, "max-stack";
        Bytes, All, 65_536..=16 * MIB;
        "Bytes of the stack that compiled code uses. What a language keeps on a stack of its own, inside its \
         memory, is limited there: an overflow of that is a trap."
        "The engine's own default."
        "stack", "limits::a_stack_is_as_deep_as_it_may_be";

        max_fuel: Option<u64> = None, "max-fuel";
        Number, All, 1..=u64::MAX, none;
        "Instructions of the handler, about one for each of WebAssembly's: the same for the same request on \
         every machine."
        "Counting makes all of a handler's code slower; time is limited by --cpu-limit."
        "fuel", "limits::fuel_ends_at_the_same_instruction_each_time";

        cpu_limit: Option<Duration> = Some(Duration::from_secs(1)), "cpu-limit";
        Time, All, MILLISECOND..=u64::MAX, none;
        "CPU time, precise to about 10 ms; for a stream, since the handler last had to wait for its client."
        "A handler that spins costs one core for that long; a long conversation is no offence. Neither \
         waiting nor being preempted counts."
        "cpu", "limits::computing_counts_between_two_waits_for_the_client";

        total_cpu_limit: Option<Duration> = None, "total-cpu-limit";
        Time, Streams, MILLISECOND..=u64::MAX, none;
        "CPU time of a stream from its beginning to its end."
        "An honest conversation may be long; a client that pays for each second of computing with one byte is not \
         stopped by --cpu-limit."
        "cpu", "limits::a_long_conversation_meets_the_total_cpu_limit";

        datagram_wall_limit: Option<Duration> = Some(Duration::from_secs(10)), "wall-limit";
        Time, Datagrams, MILLISECOND..=u64::MAX, none;
        "Time from a request's beginning to its end, waiting included."
        "Who sent a datagram has given up by then."
        "wall", "limits::a_packet_that_sleeps_meets_the_default_wall_limit_within_ten_seconds";

        stream_wall_limit: Option<Duration> = None, "wall-limit";
        Time, Streams, MILLISECOND..=u64::MAX, none;
        "Time from a request's beginning to its end, waiting included."
        "An honest conversation must not end for being long; --idle-limit stands in its place."
        "wall", "limits::a_streams_wall_limit_is_off_unless_it_is_asked_for";

        idle_limit: Option<Duration> = Some(Duration::from_secs(600)), "idle-limit";
        Time, Streams, MILLISECOND..=u64::MAX, none;
        "Time in which no byte moved either way."
        "As nginx's proxy_timeout."
        "idle", "limits::a_silent_client_meets_the_idle_limit";

        first_byte_timeout: Option<Duration> = Some(Duration::from_secs(60)), "first-byte-timeout";
        Time, Streams, MILLISECOND..=u64::MAX, none;
        "Time until a client has sent its first byte, if the handler waits for it."
        "As nginx's client_header_timeout: a connection that nobody uses is not kept. A client that is \
         served without having to ask is not hurried."
        "first-byte", "traffic::a_client_that_says_nothing_meets_the_first_byte_timeout";

        write_timeout: Option<Duration> = Some(Duration::from_secs(60)), "write-timeout";
        Time, Streams, MILLISECOND..=u64::MAX, none;
        "Time in which a client takes no byte of what waits for it."
        "As nginx's send_timeout: a slow client is served, one that does not read is not."
        "write", "traffic::a_client_that_reads_nothing_meets_the_write_timeout";

        max_bytes_in: Option<u64> = None, "max-bytes-in";
        Bytes, Streams, 1..=u64::MAX, none;
        "Bytes that a client may send."
        "Only whoever knows the protocol knows how many are too many."
        "bytes-in", "traffic::a_client_that_sends_too_much_is_ended";

        stream_max_bytes_out: Option<u64> = None, "max-bytes-out";
        Bytes, Streams, 1..=u64::MAX, none;
        "Bytes that a handler may send."
        "Only whoever knows the protocol knows how many are too many."
        "bytes-out", "traffic::a_handler_that_sends_too_much_is_ended";

        datagram_max_bytes_out: Option<u64> = Some(MIB), "max-bytes-out";
        Bytes, Datagrams, 1..=u64::MAX, none;
        "Bytes that a handler may send."
        "Sixteen of the longest datagrams there are."
        "bytes-out", "traffic::a_packets_handler_that_sends_too_much_is_ended";

        max_datagrams_out: Option<u32> = Some(1000), "max-datagrams-out";
        Number, Datagrams, 1..=4_294_967_295, none;
        "Datagrams that a handler may send for one that it got."
        "One is an answer, and a few are a long one."
        "bytes-out", "traffic::a_packets_handler_that_sends_too_often_is_ended";

        max_output: Option<u64> = Some(64 * KIB), "max-output";
        Bytes, All, 1..=u64::MAX, none;
        "Bytes that a handler may print on standard output and standard error together; for a stream, since it last \
         had to wait for its client."
        "More than anybody reads about one request. A line counts as 64 bytes at least, and ends after 4 KiB."
        "output", "log::a_handler_that_prints_too_much_is_ended";

        max_output_lines: Option<u32> = Some(1000), "max-output-lines";
        Number, All, 1..=4_294_967_295, none;
        "Lines that a handler may print; for a stream, since it last had to wait for its client."
        "As for --max-output."
        "output", "log::a_handler_that_prints_too_much_is_ended";

        max_handles: u32 = 1000, "max-handles";
        Number, All, 16..=1_000_000;
        "Resources that a handler holds at once, or lends to one call: its request, streams, pollables, files, sockets, and those of its own."
        "Each is memory of the host, and files and sockets are descriptors; a handler needs a handful."
        "memory", "failures::too_many_handles_are_the_handlers_fault";

        max_call_bytes: u64 = MIB, "max-call-bytes";
        Bytes, All, 65_536..=GIB;
        "Bytes of lists and strings that a handler hands to the host in one call."
        "The host has to copy them; what the contract moves is 64 KiB a call."
        "memory", "failures::a_list_of_more_than_a_mebibyte_is_the_handlers_fault";

        max_random_bytes: u64 = 64 * KIB, "max-random-bytes";
        Bytes, All, 32..=GIB;
        "Random bytes that a handler gets in one call."
        "They are made in the host's memory; a seed has 32."
        "memory", "zoo/hurts::every_way_on_connections_ends_as_expected_and_leaves_nothing";
    }
}

limits! {
    /// What all requests of a server may use together, and what one source may.
    ///
    /// A *source* is whom a client speaks for: an IPv4 address, an IPv6 /64 (the least that anybody is given), the
    /// user behind a Unix socket.
    ///
    /// ```
    /// use runtime::{ServerConfig, ServerLimits};
    /// let limits = ServerLimits { max_concurrency: Some(100), ..ServerLimits::default() };
    /// let config = ServerConfig { limits, ..ServerConfig::default() };
    /// assert_eq!(config.limits.max_concurrency, Some(100));
    /// ```
    ServerLimits {
        max_concurrency: Option<u32> = None, "max-concurrency";
        Number, All, 1..=4_294_967_295, "1000, or what the machine carries; 40 under forking";
        "Requests that run at once under the threaded schedule, and processes under the forking one."
        "A tenth of what Linux's default of vm.max_map_count carries of a handler with one memory. More than \
         the machine carries is refused at the start. Under forking it is Python's max_children."
        "refused-full", "admission::refuse_closes_at_once_without_a_guest_and_counts";

        max_concurrency_per_source: Option<u32> = None, "max-concurrency-per-source";
        Number, All, 1..=4_294_967_295, none;
        "Requests of one source that run at once; one more is refused at once."
        "An honest crowd may stand behind one address. It holds with --when-full wait, too: who waited would hold up \
         the others."
        "refused-source-full", "sources::a_source_has_no_more_running_than_it_may_and_others_are_served";

        // The highest rate: it is kept as whole nanoseconds between two of what it counts, 10 of them there.
        max_rate: Option<u32> = None, "max-rate";
        Number, All, 1..=100_000_000, none;
        "Requests a second, of all clients together."
        "Only whoever knows the handler knows how many it can serve. As many may come at once after a quiet second."
        "refused-rate", "sources::all_together_are_refused_above_their_rate_and_served_again";

        max_rate_per_source: Option<u32> = None, "max-rate-per-source";
        Number, All, 1..=100_000_000, none;
        "Requests a second of one source; those above it do not count for --max-rate."
        "An honest crowd may stand behind one address. As many may come at once after a quiet second."
        "refused-source-rate", "sources::a_source_is_refused_above_its_rate_and_others_are_served";

        max_reply_rate_per_source: Option<u64> = None, "max-reply-rate-per-source";
        Bytes, Udp, 1..=100_000_000, none;
        "Bytes a second, headers included, that one source is sent over udp; a reply above it is not sent."
        "An honest crowd may stand behind one address. As many may leave at once after a quiet second, and a longer \
         reply never leaves."
        "bytes-out", "sources::a_source_is_sent_no_more_than_its_rate_and_others_are_answered";

        max_amplification: Option<u32> = Some(20), "max-amplification";
        Number, Udp, 1..=4_294_967_295, none;
        "How many times its own bytes, headers included, a packet over udp may be answered with; a reply above it is \
         not sent."
        "Who sent a packet is not proven, and a server that answers little with much is a weapon. It holds for \
         each packet by itself, so that what leaves towards any network is bounded by what came in its name, from however \
         many sources. By default an empty packet may be answered with 512 bytes, as in RFC 865 (quote of the day)."
        "bytes-out", "sources::a_packet_that_is_answered_with_many_is_cut";

        max_sources: u32 = 65_536, "max-sources";
        Number, All, 1..=16_777_216;
        "Sources that a rate is remembered for, up to 150 bytes each."
        "While so many have been active within a second, another one is limited by --max-rate only: who can \
         pretend to be many must not shut others out."
        "none: it bounds the memory of the server", "sources::a_flood_from_many_sources_shuts_nobody_out_and_is_told";

        max_total_memory: Option<u64> = None, "max-total-memory";
        Bytes, All, 65_536..=u64::MAX, none;
        "Bytes of the linear memories and tables of all requests together."
        "Only whoever knows the machine knows how many it has to give. What is over it meets the request that asks \
         for it, and is the operator's affair."
        "memory", "limits::the_memory_of_all_requests_together_is_limited";
    }
}

/// The table of limits: a row for each limit of a request, then those of a server.
///
/// ```
/// for limit in runtime::limits() {
///     println!("--{} [{}]: {}", limit.name, limit.default_text(), limit.meaning);
/// }
/// ```
pub fn limits() -> impl Iterator<Item = Limit> {
    Limits::rows().chain(ServerLimits::rows())
}
