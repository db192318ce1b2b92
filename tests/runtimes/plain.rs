//! Containers of runc that no daemon knows, and units: told by the kernel, the bundle and runc's folder of states.

use std::path::Path;
use std::process::Command;
use std::sync::Arc;

use gadgetry::container::runtime::{self, Settings};
use gadgetry::container::sighting::Wanted;
use gadgetry::container::{Container, Inventory, ProcessOwner};
use gadgetry::kernel::cgroupfs;
use gadgetry::loader::containers;
use tokio_util::sync::CancellationToken;

use crate::bundle::Bundle;
use crate::follow::{SECOND, until};

fn find(inventory: &Inventory, name: &str) -> Option<Container> {
    inventory.snapshot().running().find(|c| c.runtime.container_name == name).cloned()
}

/// Those that run already are found with their bundle, new ones as they start, also when they are over at once; each ends with its cgroup.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn plain_containers_are_found_and_followed() {
    let Some(mut bundle) = Bundle::prepare("plain") else { return };
    bundle.program(&["/bin/busybox", "sleep", "1000"]);
    bundle.start("plain-before");
    let (inventory, cancel) = (Inventory::new(), CancellationToken::new());
    let settings = Settings { oci: true, ..Settings::default() };
    assert!(runtime::list(&inventory, &settings).await.is_empty());
    let before = find(&inventory, "plain-before").expect("found in runc's folder of states");
    assert_eq!((before.runtime.runtime_name.as_str(), Path::new(&before.bundle)), ("runc", bundle.folder()));
    assert!(before.mntns != 0 && before.runtime.container_started_at > 1_700_000_000_000_000_000, "{before:?}");

    containers::watch(&inventory, Wanted { oci: true, systemd: false }, &cancel).unwrap();
    runtime::follow(&inventory, &settings, &cancel);
    bundle.start("plain-after");
    until("the new one", SECOND, || find(&inventory, "plain-after").is_some()).await;
    let after = find(&inventory, "plain-after").unwrap();
    let link = std::fs::read_link(format!("/proc/{}/ns/mnt", after.runtime.container_pid)).unwrap();
    assert_eq!(link.to_str().unwrap(), format!("mnt:[{}]", after.mntns));
    short_lived(&bundle, &inventory);
    for name in ["plain-before", "plain-after"] {
        bundle.runc(&["delete", "-f", name]);
        until("its end", SECOND, || find(&inventory, name).is_none()).await;
    }
    assert!(inventory.snapshot().by_mntns(after.mntns).is_some(), "events that come late are still named");
    cancel.cancel();
}

fn short_lived(bundle: &Bundle, inventory: &Inventory) {
    bundle.program(&["/bin/busybox", "readlink", "/proc/self/ns/mnt"]);
    for number in 0..20 {
        let name = format!("plain-{number}");
        let mntns: u64 = bundle.runc(&["run", &name]).trim_start_matches("mnt:[").trim_end_matches(']').parse().unwrap();
        let ProcessOwner::Container(entry) = inventory.resolve(mntns, 0) else { panic!("{name} is not known") };
        assert_eq!(inventory.snapshot().container(entry).unwrap().runtime.container_name, name);
    }
}

/// With units as containers a process in the host's namespaces leads to its service, and without to the host.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn units_name_processes_of_the_host() {
    let Ok(Some(mount)) = cgroupfs::unified_mount() else {
        return println!("SKIPPED units: no cgroup2 mount");
    };
    for wanted in [true, false] {
        let (inventory, cancel): (Arc<Inventory>, _) = (Inventory::new(), CancellationToken::new());
        containers::watch(&inventory, Wanted { oci: false, systemd: wanted }, &cancel).unwrap();
        let unit = mount.join("system.slice").join(format!("gadgetry-{}.service", std::process::id()));
        std::fs::create_dir_all(&unit).unwrap();
        let script = format!("echo $$ > {}/cgroup.procs && exec sleep 1000", unit.display());
        let mut service = Command::new("sh").args(["-c", &script]).spawn().unwrap();
        let moved = || std::fs::read_to_string(unit.join("cgroup.procs")).is_ok_and(|text| !text.is_empty());
        until("the process in its unit", SECOND, moved).await;
        let owner = inventory.resolve_process(service.id());
        let name = unit.file_name().unwrap().to_str().unwrap();
        match owner {
            ProcessOwner::Container(entry) if wanted => {
                let snapshot = inventory.snapshot();
                let runtime = &snapshot.container(entry).unwrap().runtime;
                assert_eq!((runtime.container_name.as_str(), runtime.runtime_name.as_str()), (name, "systemd"));
            }
            owner => assert_eq!((owner, wanted), (ProcessOwner::Host, false)),
        }
        service.kill().unwrap();
        service.wait().unwrap();
        until("its end", SECOND, || find(&inventory, name).is_none()).await;
        let _ = std::fs::remove_dir(&unit);
        let _ = std::fs::remove_dir(unit.parent().unwrap());
        cancel.cancel();
    }
}
