//! The addresses that a member publishes by default. They follow the machine: an interface may come up after
//! the start, and an address may change.

use crate::handle::WeakNodeHandle;
use datafan_core::{connector::Address, limits::ADDRESSES_MAX};
use std::{
    net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, UdpSocket},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

/// How often to ask the machine for its addresses; other members learn of a change soon after.
const PERIOD: Duration = Duration::from_secs(10);
/// How many checks in a row must find no address before the last one is withdrawn: a short loss of the
/// network is not worth a commit.
const LOOKS_WITHOUT_MIN: u32 = 3;

/// The addresses that a member publishes now. Clones share them.
#[derive(Clone, Debug)]
pub struct Advertised(Arc<Mutex<Vec<Address>>>);

impl Advertised {
    pub(crate) fn new(addresses: Vec<Address>) -> Self {
        Self(Arc::new(Mutex::new(addresses)))
    }

    /// The current addresses.
    pub fn now(&self) -> Vec<Address> {
        self.state().clone()
    }

    fn state(&self) -> MutexGuard<'_, Vec<Address>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Concrete addresses unchanged; for a wildcard, the address from which this machine would send to the
/// internet, or else those of its interfaces, or else loopback, which suffices between members on one
/// machine.
pub fn addresses(bound: &[SocketAddr]) -> Vec<Address> {
    let mut found = reachable(bound);
    if found.is_empty() {
        found = bound.iter().map(|address| SocketAddr::new(loopback(address), address.port())).collect();
    }
    texts(found)
}

/// Publishes the addresses again whenever they change, as long as the member runs.
pub async fn follow(member: WeakNodeHandle, bound: Vec<SocketAddr>, advertised: Advertised) {
    if bound.iter().all(|address| !address.ip().is_unspecified()) {
        return;
    }
    let mut without = 0;
    loop {
        tokio::time::sleep(PERIOD).await;
        let Some(member) = member.upgrade() else { return };
        let found = reachable(&bound);
        without = if found.is_empty() { without + 1 } else { 0 };
        let Some(addresses) = changed(&advertised.now(), found, without) else { continue };
        match addresses.is_empty() {
            true => tracing::info!("no address left on this machine, so none is published"),
            false => tracing::info!(?addresses, "addresses of this machine changed"),
        }
        advertised.state().clone_from(&addresses);
        if member.publish(addresses).await.is_err() {
            // The member has stopped.
            return;
        }
    }
}

/// The addresses to publish instead of `told`, after this many checks in a row found none. The last address
/// is withdrawn after some checks; loopback, which is published if there is no other address, stays, since it
/// still connects members on one machine.
fn changed(told: &[Address], reachable: Vec<SocketAddr>, without: u32) -> Option<Vec<Address>> {
    let found = texts(reachable);
    let is_loopback =
        |address: &Address| address.parse::<SocketAddr>().is_ok_and(|address| address.ip().is_loopback());
    let holds = found.is_empty() && (without < LOOKS_WITHOUT_MIN || told.iter().all(is_loopback));
    (!holds && found != told).then_some(found)
}

fn texts(mut found: Vec<SocketAddr>) -> Vec<Address> {
    found.dedup();
    found.into_iter().take(ADDRESSES_MAX).map(|address| address.to_string().into()).collect()
}

/// The addresses at which others may reach the bound ones; none without a network.
fn reachable(bound: &[SocketAddr]) -> Vec<SocketAddr> {
    let found: Vec<SocketAddr> = bound.iter().filter_map(concrete).collect();
    if !found.is_empty() {
        return found;
    }
    // No route to the internet: members on one network still reach each other.
    let interfaces = if_addrs::get_if_addrs().unwrap_or_default();
    let interfaces =
        interfaces.iter().filter(|interface| !interface.is_loopback() && !interface.is_link_local());
    let mut found: Vec<SocketAddr> = interfaces.flat_map(|interface| on(interface.ip(), bound)).collect();
    found.sort_unstable();
    found
}

/// The address of an interface with each bound port of its kind.
fn on(ip: IpAddr, bound: &[SocketAddr]) -> impl Iterator<Item = SocketAddr> {
    let same = bound.iter().filter(move |address| address.is_ipv4() == ip.is_ipv4());
    same.map(move |address| SocketAddr::new(ip, address.port()))
}

fn concrete(address: &SocketAddr) -> Option<SocketAddr> {
    if address.ip().is_unspecified() {
        let ip = outward(address)?;
        return Some(SocketAddr::new(ip, address.port()));
    }
    Some(*address)
}

/// The system's choice of a source address. Connecting a UDP socket sends nothing; the targets are addresses
/// for documentation, RFC 5737 and RFC 3849.
fn outward(address: &SocketAddr) -> Option<IpAddr> {
    let target: IpAddr = match address {
        SocketAddr::V4(_) => Ipv4Addr::new(192, 0, 2, 1).into(),
        SocketAddr::V6(_) => Ipv6Addr::new(0x2001, 0xdb8, 0, 0, 0, 0, 0, 1).into(),
    };
    let socket = UdpSocket::bind(SocketAddr::new(address.ip(), 0)).ok()?;
    socket.connect(SocketAddr::new(target, 9)).ok()?;
    Some(socket.local_addr().ok()?.ip()).filter(|ip| !ip.is_unspecified())
}

fn loopback(address: &SocketAddr) -> IpAddr {
    match address {
        SocketAddr::V4(_) => Ipv4Addr::LOCALHOST.into(),
        SocketAddr::V6(_) => Ipv6Addr::LOCALHOST.into(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_told_can_be_dialled() {
        let concrete: SocketAddr = "127.0.0.1:7".parse().unwrap();
        assert_eq!(addresses(&[concrete]), [Address::from("127.0.0.1:7")]);
        let told = addresses(&["0.0.0.0:9".parse().unwrap()]);
        assert!(!told.is_empty());
        for told in told {
            let told: SocketAddr = told.parse().unwrap();
            assert!(!told.ip().is_unspecified() && told.port() == 9);
        }
    }

    #[test]
    fn a60_a_changed_address_is_told_and_a_lost_one_taken_back_after_a_while() {
        let at = |text: &str| vec![text.parse::<SocketAddr>().unwrap()];
        let told = [Address::from("127.0.0.1:7")];
        let found = changed(&told, at("198.18.0.1:7"), 0).unwrap();
        assert_eq!(found, [Address::from("198.18.0.1:7")]);
        assert_eq!(changed(&found, at("198.18.0.1:7"), 0), None);
        assert_eq!(changed(&found, at("198.18.0.2:7"), 0), Some(vec![Address::from("198.18.0.2:7")]));
        assert_eq!(changed(&found, Vec::new(), LOOKS_WITHOUT_MIN - 1), None);
        assert_eq!(changed(&found, Vec::new(), LOOKS_WITHOUT_MIN), Some(Vec::new()));
        assert_eq!(changed(&[], Vec::new(), LOOKS_WITHOUT_MIN + 1), None);
        assert_eq!(changed(&told, Vec::new(), LOOKS_WITHOUT_MIN), None, "members of this machine");
        assert_eq!(changed(&[], at("198.18.0.1:7"), 0), Some(found));
    }

    #[test]
    fn an_interface_has_the_ports_of_its_kind() {
        let bound: Vec<SocketAddr> = ["0.0.0.0:1", "[::]:2"].map(|text| text.parse().unwrap()).into();
        let on_v4: Vec<_> = on("198.18.0.1".parse().unwrap(), &bound).collect();
        assert_eq!(on_v4, ["198.18.0.1:1".parse().unwrap()]);
        let on_v6: Vec<_> = on("2001:db8::1".parse().unwrap(), &bound).collect();
        assert_eq!(on_v6, ["[2001:db8::1]:2".parse().unwrap()]);
    }
}
