//! Sandboxes of pods, as listings and their statuses tell of them.

use super::add;
use super::info::Info;
use crate::container::record::{Container, KubernetesMeta};
use crate::container::runtime::bounds::Labels;
use crate::container::runtime::grpc::wire::{Malformed, Value};

/// A pod's sandbox.
#[derive(Debug, Clone, PartialEq, Default)]
pub(in crate::container::runtime::cri) struct Sandbox {
    /// Its record, without the runtime's name.
    pub record: Container,
    /// Whether its pause container runs.
    pub ready: bool,
    pub pid: u32,
}

/// `PodSandbox`, of a listing; or `PodSandboxStatus`, which differs from it in where labels and annotations are.
pub(in crate::container::runtime::cri) fn sandbox(message: Value<'_>, status: bool) -> Result<Sandbox, Malformed> {
    let fields = if status { (7, 8) } else { (5, 6) };
    let mut sandbox = Sandbox { ready: true, ..Sandbox::default() };
    let record = &mut sandbox.record;
    let (mut labels, mut annotations) = (Labels::default(), Labels::default());
    for field in message.fields()? {
        match field? {
            (1, id) => record.runtime.container_id = id.text()?,
            (2, metadata) => record.k8s = pod(metadata)?,
            (3, state) => sandbox.ready = state.number::<u32>()? == 0,
            (number, label) if number == fields.0 => add(&mut labels, label)?,
            (number, annotation) if number == fields.1 => add(&mut annotations, annotation)?,
            _ => {}
        }
    }
    record.sandbox = true;
    record.sandbox_id.clone_from(&record.runtime.container_id);
    record.labels = labels.into_map();
    // The kubelet's own labels say what the metadata says.
    record.labels.retain(|key, _| !key.starts_with("io.kubernetes."));
    record.annotations = annotations.into_map();
    Ok(sandbox)
}

/// `PodSandboxStatusResponse`. `None` when there is no status in it.
pub(in crate::container::runtime::cri) fn sandbox_answer(answer: &[u8]) -> Result<Option<Sandbox>, Malformed> {
    let (mut found, mut info) = (None, Info::default());
    for field in Value::Bytes(answer).fields()? {
        match field? {
            (1, status) => found = Some(sandbox(status, true)?),
            (2, entry) => info.read(entry)?,
            _ => {}
        }
    }
    Ok(found.map(|sandbox| Sandbox { pid: info.pid, ..sandbox }))
}

fn pod(metadata: Value<'_>) -> Result<KubernetesMeta, Malformed> {
    let mut pod = KubernetesMeta::default();
    for field in metadata.fields()? {
        match field? {
            (1, name) => pod.pod_name = name.text()?,
            (2, uid) => pod.pod_uid = uid.text()?,
            (3, namespace) => pod.namespace = namespace.text()?,
            _ => {}
        }
    }
    Ok(pod)
}
