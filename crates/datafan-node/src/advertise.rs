//! The addresses that a member tells the mesh where nobody said which.

use datafan_core::{connector::Address, limits::ADDRESSES_MAX};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, UdpSocket};

/// Concrete addresses as they are; for wildcards the address from which this machine would send to the world, else
/// loopback, which is right for members of one machine.
pub fn addresses(bound: &[SocketAddr]) -> Vec<Address> {
    let mut found: Vec<SocketAddr> = bound.iter().filter_map(concrete).collect();
    if found.is_empty() {
        found = bound.iter().map(|address| SocketAddr::new(loopback(address), address.port())).collect();
    }
    found.dedup();
    found.into_iter().take(ADDRESSES_MAX).map(|address| address.to_string().into()).collect()
}

fn concrete(address: &SocketAddr) -> Option<SocketAddr> {
    if address.ip().is_unspecified() {
        let ip = outward(address)?;
        return Some(SocketAddr::new(ip, address.port()));
    }
    Some(*address)
}

/// The system's choice of a source address. Connecting a UDP socket sends nothing; the targets are of the ranges
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
        assert_eq!(told.len(), 1);
        let told: SocketAddr = told[0].parse().unwrap();
        assert!(!told.ip().is_unspecified() && told.port() == 9);
    }
}
