//! `export!`: every form that it has is accepted here, where it only checks.

use std::io;

use guest_sdk::{
    BaseRequestHandler, Connection, Datagram, DatagramRequest, DatagramRequestHandler, Request,
    RequestHandler, StreamRequest, StreamRequestHandler, testing,
};

#[derive(Default)]
struct Files;

impl StreamRequestHandler for Files {
    fn handle(&mut self, _: &mut StreamRequest) -> io::Result<()> {
        Ok(())
    }
}

impl DatagramRequestHandler for Files {
    fn handle(&mut self, _: &mut DatagramRequest) -> io::Result<()> {
        Ok(())
    }
}

#[derive(Default)]
struct Raw;

impl BaseRequestHandler<Connection> for Raw {
    fn handle(&mut self, _: &mut Connection) -> io::Result<()> {
        Ok(())
    }
}

impl BaseRequestHandler<Datagram> for Raw {
    fn handle(&mut self, _: &mut Datagram) -> io::Result<()> {
        Ok(())
    }
}

#[derive(Default)]
struct Both;

impl RequestHandler for Both {
    fn handle(&mut self, _: &mut Request<'_>) -> io::Result<()> {
        Ok(())
    }
}

/// The files for streams, the packet itself for datagrams.
#[derive(Default)]
struct Mixed;

impl StreamRequestHandler for Mixed {
    fn handle(&mut self, _: &mut StreamRequest) -> io::Result<()> {
        Ok(())
    }
}

impl BaseRequestHandler<Datagram> for Mixed {
    fn handle(&mut self, _: &mut Datagram) -> io::Result<()> {
        Ok(())
    }
}

guest_sdk::export!(Files: StreamRequestHandler);
guest_sdk::export!(Files: DatagramRequestHandler);
guest_sdk::export!(Files: StreamRequestHandler + DatagramRequestHandler);
guest_sdk::export!(Raw: BaseRequestHandler<Connection>);
guest_sdk::export!(Raw: BaseRequestHandler<Datagram>);
guest_sdk::export!(Raw: BaseRequestHandler<Connection> + BaseRequestHandler<Datagram>);
guest_sdk::export!(Both: RequestHandler);
guest_sdk::export!(Mixed: StreamRequestHandler + BaseRequestHandler<Datagram>);
guest_sdk::export!(crate::exports::Both: StreamRequestHandler);

#[test]
fn every_base_class_can_be_served() {
    assert!(testing::stream::<Files>(["x"]).result.is_ok());
    assert!(testing::datagram::<Files>("x").result.is_ok());
    assert!(testing::stream::<Raw>(["x"]).result.is_ok());
    assert!(testing::datagram::<Raw>("x").result.is_ok());
    assert!(testing::stream::<Both>(["x"]).result.is_ok());
    assert!(testing::datagram::<Both>("x").result.is_ok());
    assert!(testing::stream::<Mixed>(["x"]).result.is_ok());
    assert!(testing::datagram::<Mixed>("x").result.is_ok());
}
