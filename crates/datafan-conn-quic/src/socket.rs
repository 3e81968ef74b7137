//! A UDP socket that can be cut: from then on it sends and receives nothing, and its port is free.

use quinn::{
    AsyncUdpSocket, Runtime, TokioRuntime, UdpPoller,
    udp::{RecvMeta, Transmit},
};
use socket2::{Domain, Protocol, Socket, Type};
use std::{
    io::{self, IoSliceMut},
    net::SocketAddr,
    pin::Pin,
    sync::{Arc, Mutex, PoisonError, RwLock, RwLockReadGuard, Weak},
    task::{Context, Poll},
};

use crate::config::SOCKET_BUFFER_BYTES;

/// Without it, a simulated power cut would still say goodbye, and a stop would hold the port until QUIC has
/// forgotten the connections.
#[derive(Debug)]
pub(crate) struct CutSocket {
    /// `None` once cut. Calls hold a read lock, so the socket is closed when `cut` returns.
    socket: RwLock<Option<Arc<dyn AsyncUdpSocket>>>,
    /// Held by pollers that wait for the socket; `cut` empties them.
    pollers: Mutex<Vec<Weak<PollerSlot>>>,
    address: SocketAddr,
    n_transmit_segments: usize,
    n_receive_segments: usize,
    may_fragment: bool,
}

type PollerSlot = Mutex<Option<Pin<Box<dyn UdpPoller>>>>;

impl CutSocket {
    /// Binds `address`. Must run within the context of a runtime.
    pub(crate) fn bind(address: SocketAddr) -> io::Result<Arc<Self>> {
        let socket = Socket::new(Domain::for_address(address), Type::DGRAM, Some(Protocol::UDP))?;
        if address.is_ipv6() {
            socket.set_only_v6(true)?;
        }
        // The system may grant less, which costs only speed.
        let _ = socket.set_recv_buffer_size(SOCKET_BUFFER_BYTES);
        let _ = socket.set_send_buffer_size(SOCKET_BUFFER_BYTES);
        socket.bind(&address.into())?;
        let socket = TokioRuntime.wrap_udp_socket(socket.into())?;
        Ok(Arc::new(Self {
            address: socket.local_addr()?,
            n_transmit_segments: socket.max_transmit_segments(),
            n_receive_segments: socket.max_receive_segments(),
            may_fragment: socket.may_fragment(),
            socket: RwLock::new(Some(socket)),
            pollers: Mutex::default(),
        }))
    }

    /// Goes silent and frees the port. Idempotent.
    pub(crate) fn cut(&self) {
        *self.socket.write().unwrap_or_else(PoisonError::into_inner) = None;
        for poller in self.pollers.lock().unwrap_or_else(PoisonError::into_inner).drain(..) {
            if let Some(slot) = poller.upgrade() {
                *slot.lock().unwrap_or_else(PoisonError::into_inner) = None;
            }
        }
    }

    fn read(&self) -> RwLockReadGuard<'_, Option<Arc<dyn AsyncUdpSocket>>> {
        self.socket.read().unwrap_or_else(PoisonError::into_inner)
    }
}

impl AsyncUdpSocket for CutSocket {
    fn create_io_poller(self: Arc<Self>) -> Pin<Box<dyn UdpPoller>> {
        let slot = Arc::new(PollerSlot::default());
        let mut pollers = self.pollers.lock().unwrap_or_else(PoisonError::into_inner);
        pollers.retain(|poller| poller.strong_count() > 0);
        pollers.push(Arc::downgrade(&slot));
        drop(pollers);
        Box::pin(CutPoller { socket: self, slot })
    }

    fn try_send(&self, transmit: &Transmit<'_>) -> io::Result<()> {
        self.read().as_ref().map_or(Ok(()), |socket| socket.try_send(transmit))
    }

    fn poll_recv(
        &self,
        context: &mut Context<'_>,
        buffers: &mut [IoSliceMut<'_>],
        meta: &mut [RecvMeta],
    ) -> Poll<io::Result<usize>> {
        self.read().as_ref().map_or(Poll::Pending, |socket| socket.poll_recv(context, buffers, meta))
    }

    fn local_addr(&self) -> io::Result<SocketAddr> {
        Ok(self.address)
    }

    fn max_transmit_segments(&self) -> usize {
        self.n_transmit_segments
    }

    fn max_receive_segments(&self) -> usize {
        self.n_receive_segments
    }

    fn may_fragment(&self) -> bool {
        self.may_fragment
    }
}

/// Waits until the socket is writable, holding it only while it waits.
#[derive(Debug)]
struct CutPoller {
    socket: Arc<CutSocket>,
    slot: Arc<PollerSlot>,
}

impl UdpPoller for CutPoller {
    fn poll_writable(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        let guard = self.socket.read();
        let Some(socket) = &*guard else { return Poll::Ready(Ok(())) };
        let mut slot = self.slot.lock().unwrap_or_else(PoisonError::into_inner);
        let poller = slot.get_or_insert_with(|| socket.clone().create_io_poller());
        let result = poller.as_mut().poll_writable(context);
        if result.is_ready() {
            *slot = None;
        }
        result
    }
}
