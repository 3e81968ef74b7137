//! A UDP relay that treats real traffic like a bad network.
//!
//! [`Relay`] is a port in front of another one: dialers reach the target through a [`Line`] that loses,
//! repeats, delays and reorders datagrams, and has a rate. It changes no byte, so it works for any protocol
//! over UDP, between processes or inside one. The fate of the n-th datagram of a session and direction
//! depends only on the seed; the times at which datagrams are sent depend on the senders.
//!
//! ```
//! use datafan_testkit::relay::{Line, Relay};
//! use std::net::UdpSocket;
//!
//! let behind = UdpSocket::bind("127.0.0.1:0")?;
//! let relay = Relay::new(7)?;
//! relay.lead_to(behind.local_addr()?);
//! relay.set(Line { repeats_percent: 100, ..Line::GOOD });
//! let client = UdpSocket::bind("127.0.0.1:0")?;
//! client.send_to(b"hello", relay.address())?;
//! let mut bytes = [0; 9];
//! for _ in 0..2 {
//!     let (n, from) = behind.recv_from(&mut bytes)?;
//!     assert_eq!(&bytes[..n], b"hello");
//!     behind.send_to(b"and back", from)?;
//! }
//! # Ok::<(), std::io::Error>(())
//! ```

mod flow;
mod line;
mod schedule;

pub use flow::Relay;
pub use line::{Counts, Line, Way};
