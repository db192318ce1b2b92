//! Credentials: their format, their files, their helpers.

mod documents;
mod files;
mod helpers;
mod hostile;

use super::{Credentials, Secret};

fn basic(user: &str, password: &str) -> Credentials {
    Credentials::Basic { user: user.to_owned(), password: Secret::new(password) }
}
