//! One binary of integration tests, a module a topic.

mod addresses; // IPv6, every interface, names, sockets that somebody else has bound
mod admission; // more requests than may run at once
mod bench; // the load generator: what it counts
mod cache; // compiled code on disk
mod capacity; // more requests at once than the machine carries
mod command; // what the command says, and with which exit code
mod conduct; // clients that reset, half-close, say nothing, send too much or read slowly; what the contract says
mod endurance; // what a server must survive
mod examples; // the examples, asked by clients of the tutorials' kinds
mod failures; // each way in which a handler can end, and the good request after it
mod forking; // a process for every request, and a second wall around it
mod grants; // what an operator grants, and what is refused beside it
mod hostile_clients; // slow, rude and flooding clients, and the honest ones beside them
mod inspect; // what a handler asks for, told before anything is served
mod isolation; // what a handler can reach beside its request: nothing
mod library; // the library itself: servers inside this process
mod lifecycle; // signals, draining, a number of requests
mod limits; // memory, computing, wall and idle time, and who must not meet them
mod log; // what is logged of requests, in which form; and what handlers print
mod matrix; // every transport with every schedule, from one body
mod newcomer; // what the README tells a newcomer
mod packets; // datagrams: their length, their silence, where an answer leaves from
mod python; // client programs of Python's documentation, and netcat
mod readmes; // every example's README, followed
mod soak; // a million requests, one in ten hostile: what tests/soak.sh runs
mod sources; // who is let in, how often, and how much a packet is answered with
mod table; // the table of limits in the documents, and its proofs
mod traffic; // the first byte, bytes in and out, packets: limits of what moves
mod unix; // files, modes and names of Unix sockets
mod zoo; // hostile handlers, one for each way to hurt
