//! Asking about one id: what it is, in which pod, of which image.

use super::api::Api;
use super::messages::{Sandbox, Told};
use crate::container::runtime::grpc::GrpcError;

/// What an id stands for. Neither: the runtime does not know it, or not yet.
#[derive(Default)]
pub(super) struct Found {
    /// The container, with id and digest of its image.
    pub container: Option<(Told, (String, String))>,
    /// The sandbox itself, or that of the container.
    pub sandbox: Option<Sandbox>,
}

/// Asks about `id`, as a sandbox only if it is known to be one.
pub(super) async fn look(api: Api, id: String, is_sandbox: bool) -> (String, Result<Found, GrpcError>) {
    let found = ask(&api, &id, is_sandbox).await;
    (id, found)
}

async fn ask(api: &Api, id: &str, is_sandbox: bool) -> Result<Found, GrpcError> {
    let told = if is_sandbox { None } else { api.container(id).await? };
    let Some(told) = told else {
        return Ok(Found { container: None, sandbox: api.sandbox(id).await? });
    };
    let sandbox = if told.sandbox.is_empty() { None } else { api.sandbox(&told.sandbox).await? };
    let image = api.image(&told.image_ref).await;
    Ok(Found { container: Some((told, image)), sandbox })
}
