//! What the Kubernetes API server knows of this node: its pods and their owners for the inventory, and whose an address is.
//!
//! [`follow`] starts it; from then on everything goes on in the background. Without the API server what is known is kept.

mod addresses;
mod answer;
mod client;
mod error;
mod objects;
mod owners;
mod pace;
mod pods;
mod seen;
mod services;
mod settings;
mod status;
#[cfg(test)]
mod tests;
mod watch;

use std::sync::Arc;

use tokio_util::sync::CancellationToken;

pub use addresses::{Address, AddressAttribute, Addresses, Directory, HOST, NamedPod, RAW};
pub use error::KubernetesError;
pub use settings::{Enabled, Scope, Settings};
pub use status::{KubernetesState, KubernetesStatus};

use crate::container::Inventory;
use client::Connector;
use pace::Pace;
use pods::NodePods;
use status::Reporter;
use watch::Watch;

/// What is known of Kubernetes, for those who ask. Cheap to clone.
#[derive(Clone)]
pub struct Handle {
    addresses: Arc<Addresses>,
    reporter: Arc<Reporter>,
}

impl Handle {
    /// Whose which address is.
    pub fn addresses(&self) -> &Arc<Addresses> {
        &self.addresses
    }

    /// How it stands with the API server.
    pub fn status(&self) -> KubernetesStatus {
        self.reporter.status()
    }

    /// A handle without an API server behind it, for whoever knows the addresses himself: tests, benches.
    pub fn of(addresses: Arc<Addresses>) -> Self {
        Handle { addresses, reporter: Arc::default() }
    }
}

/// Follows the API server until cancelled. Call it within a runtime of tokio.
///
/// Pods of this node go into the inventory, addresses of pods and services into [`Handle::addresses`]. That it cannot be reached,
/// or refuses something, is in the status and once in the log, and tried again.
pub fn follow(inventory: &Arc<Inventory>, settings: &Settings, cancel: &CancellationToken) -> Handle {
    follow_at(Pace::default(), inventory, settings, cancel)
}

fn follow_at(pace: Pace, inventory: &Arc<Inventory>, settings: &Settings, cancel: &CancellationToken) -> Handle {
    let addresses = Arc::new(Addresses::default());
    let reporter = Arc::new(Reporter::default());
    let handle = Handle { addresses: addresses.clone(), reporter: reporter.clone() };
    let work = run(pace, inventory.clone(), settings.clone(), addresses, reporter);
    let cancel = cancel.clone();
    tokio::spawn(async move {
        tokio::select! {
            () = cancel.cancelled() => {}
            () = work => {}
        }
    });
    handle
}

async fn run(pace: Pace, inventory: Arc<Inventory>, settings: Settings, addresses: Arc<Addresses>, reporter: Arc<Reporter>) {
    let node = settings.node_name();
    let client = Arc::new(Connector::new(settings.clone(), reporter.clone()));
    inventory.set_node(&node);
    let on_node = format!("spec.nodeName={node}");
    // With all pods of the cluster at hand those of the node are among them.
    let node_addresses = (settings.addresses == Scope::Node).then(|| addresses.clone());
    let pods = Arc::new(NodePods::new(inventory, node_addresses));
    let of_node = Watch::new(client.clone(), pace, "pods", "/api/v1/pods", Some(on_node)).essential();
    let services = Watch::new(client.clone(), pace, "services", "/api/v1/services", None);
    let of_cluster = Watch::new(client.clone(), pace, "pods of the cluster", "/api/v1/pods", None);
    let cluster = async {
        if settings.addresses == Scope::Cluster {
            of_cluster.run(pods::ClusterPods::new(addresses.clone()), &reporter).await;
        }
    };
    tokio::join!(
        of_node.run(pods::Sink::new(pods.clone()), &reporter),
        services.run(services::Sink::new(addresses.clone()), &reporter),
        cluster,
        owners::resolve(pods, client, &reporter, pace.refused),
        addresses.publish_changes(),
    );
}
