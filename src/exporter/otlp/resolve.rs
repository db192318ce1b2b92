//! Host names to addresses without libc, so that a static binary resolves in an empty root file system too.
//!
//! In order: addresses as they are, `localhost` as the loopback, `/etc/hosts`, then the name servers of `/etc/resolv.conf`, or
//! 127.0.0.1:53 if there is no such file (what libc would ask). Files are read anew for each lookup: lookups happen once per connection.

use std::future::Future;
use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use hickory_resolver::TokioResolver;
use hickory_resolver::config::{LookupIpStrategy, NameServerConfig, ResolveHosts, ResolverConfig, ResolverOpts};
use hickory_resolver::net::NetError;
use hickory_resolver::net::runtime::TokioRuntimeProvider;
use hyper_util::client::legacy::connect::dns::Name;

/// Nobody's resolver configuration is longer.
const MAX_FILE: u64 = 1 << 20;

/// Resolves names; cheap to clone.
#[derive(Debug, Clone)]
pub struct Resolver {
    etc: Arc<Path>,
}

/// Why a name has no address.
#[derive(Debug, thiserror::Error)]
#[error("resolve host name {name:?}")]
pub struct ResolveError {
    name: String,
    source: NetError,
}

impl Default for Resolver {
    fn default() -> Self {
        Resolver::with_directory(Path::new("/etc"))
    }
}

impl Resolver {
    /// A resolver that reads `hosts` and `resolv.conf` in another directory than `/etc`.
    pub fn with_directory(etc: &Path) -> Self {
        Resolver { etc: etc.into() }
    }

    /// The addresses of a host.
    ///
    /// # Errors
    /// When no name server could be asked, or none knows it.
    pub async fn lookup(&self, name: &str) -> Result<Vec<IpAddr>, ResolveError> {
        let bare = name.trim_start_matches('[').trim_end_matches(']');
        if let Ok(address) = bare.parse() {
            return Ok(vec![address]);
        }
        let host = name.trim_end_matches('.').to_ascii_lowercase();
        if host == "localhost" || host.ends_with(".localhost") {
            return Ok(vec![Ipv4Addr::LOCALHOST.into(), Ipv6Addr::LOCALHOST.into()]);
        }
        let known = read(&self.etc.join("hosts")).map(|text| in_hosts(&text, &host)).unwrap_or_default();
        if !known.is_empty() {
            return Ok(known);
        }
        self.ask(name).await.map_err(|source| ResolveError { name: name.to_owned(), source })
    }

    async fn ask(&self, name: &str) -> Result<Vec<IpAddr>, NetError> {
        let (config, mut options) = match read(&self.etc.join("resolv.conf")) {
            Ok(text) => hickory_resolver::system_conf::parse_resolv_conf(text).unwrap_or_else(|_| local_server()),
            Err(_) => local_server(),
        };
        options.use_hosts_file = ResolveHosts::Never;
        options.ip_strategy = LookupIpStrategy::Ipv4AndIpv6;
        let provider = TokioRuntimeProvider::default();
        let resolver = TokioResolver::builder_with_config(config, provider).with_options(options).build()?;
        Ok(resolver.lookup_ip(name).await?.iter().collect())
    }
}

fn local_server() -> (ResolverConfig, ResolverOpts) {
    let servers = vec![NameServerConfig::udp_and_tcp(Ipv4Addr::LOCALHOST.into())];
    (ResolverConfig::from_name_servers(servers), ResolverOpts::default())
}

fn read(path: &PathBuf) -> io::Result<String> {
    use io::Read;
    let mut bytes = Vec::new();
    std::fs::File::open(path)?.take(MAX_FILE).read_to_end(&mut bytes)?;
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}

/// The addresses that the text of a hosts file has for `host`, which is in lower case.
fn in_hosts(text: &str, host: &str) -> Vec<IpAddr> {
    let lines = text.lines().map(|line| line.split('#').next().unwrap_or_default());
    let matching = lines.filter_map(|line| {
        let mut words = line.split_whitespace();
        let address: IpAddr = words.next()?.parse().ok()?;
        words.any(|word| word.trim_end_matches('.').eq_ignore_ascii_case(host)).then_some(address)
    });
    matching.collect()
}

type Addresses = std::vec::IntoIter<SocketAddr>;

async fn sockets(resolver: Resolver, name: String) -> Result<Addresses, ResolveError> {
    let addresses = resolver.lookup(&name).await?;
    // The caller puts the port in.
    Ok(addresses.into_iter().map(|address| SocketAddr::new(address, 0)).collect::<Vec<_>>().into_iter())
}

/// For hyper-util's `HttpConnector`, which tonic connects with.
impl tower_service::Service<Name> for Resolver {
    type Response = Addresses;
    type Error = ResolveError;
    type Future = Pin<Box<dyn Future<Output = Result<Addresses, ResolveError>> + Send>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), ResolveError>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, name: Name) -> Self::Future {
        Box::pin(sockets(self.clone(), name.as_str().to_owned()))
    }
}

impl reqwest::dns::Resolve for Resolver {
    fn resolve(&self, name: reqwest::dns::Name) -> reqwest::dns::Resolving {
        let found = sockets(self.clone(), name.as_str().to_owned());
        Box::pin(async move { Ok(Box::new(found.await?) as reqwest::dns::Addrs) })
    }
}
