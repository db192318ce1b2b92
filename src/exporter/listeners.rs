//! Listening sockets by address, so that a reload can hand one from the retiring exporter to its successor.

use std::collections::HashMap;
use std::io;
use std::net::{SocketAddr, TcpListener};
use std::sync::{Arc, Mutex, PoisonError, Weak};

/// Listening sockets of this process. A socket closes when its last user drops it.
#[derive(Debug, Default)]
pub struct Listeners {
    open: Mutex<HashMap<SocketAddr, Weak<TcpListener>>>,
}

impl Listeners {
    /// The non-blocking socket that listens on `address`: the one already open in this process, or a new one.
    ///
    /// # Errors
    /// When the system refuses to bind, e.g. because another process holds the port.
    pub fn listen(&self, address: SocketAddr) -> io::Result<Arc<TcpListener>> {
        let mut open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        open.retain(|_, listener| listener.strong_count() > 0);
        if let Some(listener) = open.get(&address).and_then(Weak::upgrade) {
            return Ok(listener);
        }
        let listener = Arc::new(TcpListener::bind(address)?);
        listener.set_nonblocking(true)?;
        // Port 0 is a new port each time, so it cannot be shared by its configured address.
        if address.port() != 0 {
            open.insert(address, Arc::downgrade(&listener));
        }
        Ok(listener)
    }
}
