//! What is asked of the Docker engine.

use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::time::Duration;

use bollard::Docker;
use bollard::errors::Error;
use bollard::models::{ContainerCreateBody, HostConfig, Mount, MountType};
use bollard::query_parameters::{
    CreateContainerOptions, CreateImageOptionsBuilder, LogsOptionsBuilder, RemoveContainerOptionsBuilder, StartContainerOptions,
    WaitContainerOptions,
};
use futures::StreamExt;

use super::Pull;
use crate::image::build::step::{Ended, OUTPUT_LIMIT, Step, Tool};
use crate::image::error::ImageError;

/// How long the engine may take to answer what costs it nothing.
const ANSWER: Duration = Duration::from_secs(10);

/// An engine that has answered.
pub(super) struct Engine {
    docker: Docker,
    host: String,
    rootless: bool,
}

impl Engine {
    pub async fn connect(host: &str) -> Result<Self, ImageError> {
        let unreachable = |source: Box<dyn std::error::Error + Send + Sync>| ImageError::Engine {
            action: "run a builder image (--local builds with the tools of this machine)".to_owned(),
            host: host.to_owned(),
            source,
        };
        let docker = Docker::connect_with_host(host).map_err(|error| unreachable(Box::new(error)))?;
        let asked = tokio::time::timeout(ANSWER, async {
            let docker = docker.negotiate_version().await?;
            let info = docker.info().await?;
            Ok((docker, info))
        });
        let answer = asked.await.map_err(|_| unreachable("it does not answer".into()))?;
        let (docker, info) = answer.map_err(|error: Error| unreachable(innermost(&error).into()))?;
        // A build takes as long as it takes.
        let docker = docker.with_timeout(Duration::from_secs(24 * 60 * 60));
        let rootless = info.security_options.unwrap_or_default().iter().any(|option| option.contains("name=rootless"));
        Ok(Engine { docker, host: host.to_owned(), rootless })
    }

    /// Sees to it that the image is there.
    pub async fn provide(&self, image: &str, pull: Pull, note: &dyn Fn(&str)) -> Result<(), ImageError> {
        if pull != Pull::Always {
            match self.docker.inspect_image(image).await {
                Ok(_) => return Ok(()),
                Err(Error::DockerResponseServerError { status_code: 404, .. }) => {}
                Err(error) => return Err(self.failed(format!("look for image {image}"), &error)),
            }
        }
        if pull == Pull::Never {
            let reason = "the engine does not have it, and it is not to be pulled (--builder-image-pull never)";
            return Err(ImageError::Build { what: format!("with image {image}"), reason: reason.to_owned() });
        }
        note(&format!("Pulling builder image {image}"));
        let options = CreateImageOptionsBuilder::new().from_image(image).build();
        let mut steps = self.docker.create_image(Some(options), None, None);
        while let Some(step) = steps.next().await {
            let step = step.map_err(|error| self.failed(format!("pull image {image}"), &error))?;
            tracing::debug!(status = step.status.unwrap_or_default(), id = step.id.unwrap_or_default(), "pulling the builder image");
        }
        Ok(())
    }

    /// Runs a command in a container of its own, which does not outlive it.
    pub async fn run(&self, image: &str, step: &Step, mounts: &[(&Path, &Path, bool)]) -> Result<Ended, ImageError> {
        let program = self.program(image, step.tool).await?;
        let body = self.container(image, &program, step, mounts)?;
        let created = self.docker.create_container(None::<CreateContainerOptions>, body).await;
        let id = created.map_err(|error| self.failed(format!("make a container of image {image}"), &error))?.id;
        let ended = tokio::select! {
            ended = self.ended(&id, image, &program, step) => ended,
            _ = tokio::signal::ctrl_c() => Err(ImageError::Build { what: step.folder.display().to_string(), reason: "interrupted".to_owned() }),
        };
        let options = RemoveContainerOptionsBuilder::new().force(true).v(true).build();
        if let Err(error) = self.docker.remove_container(&id, Some(options)).await {
            tracing::warn!(container = id, error = innermost(&error), "cannot remove the container of a builder image");
        }
        ended
    }

    /// The program behind a tool: what the image's own variable says, else its usual name.
    async fn program(&self, image: &str, tool: Tool) -> Result<String, ImageError> {
        let (usual, variable) = tool.names();
        let Some(variable) = variable else { return Ok(usual.to_owned()) };
        let about = self.docker.inspect_image(image).await.map_err(|error| self.failed(format!("look at image {image}"), &error))?;
        let environment = about.config.and_then(|config| config.env).unwrap_or_default();
        let chosen = environment.iter().find_map(|entry| entry.strip_prefix(variable)?.strip_prefix('=').map(str::to_owned));
        Ok(chosen.filter(|program| !program.is_empty()).unwrap_or_else(|| usual.to_owned()))
    }

    fn container(
        &self,
        image: &str,
        program: &str,
        step: &Step,
        mounts: &[(&Path, &Path, bool)],
    ) -> Result<ContainerCreateBody, ImageError> {
        let text = |value: &std::ffi::OsStr| value.to_string_lossy().into_owned();
        let mount = |(source, target, read_only): &(&Path, &Path, bool)| Mount {
            typ: Some(MountType::BIND),
            source: Some(text(source.as_os_str())),
            target: Some(text(target.as_os_str())),
            read_only: Some(*read_only),
            ..Mount::default()
        };
        let about_us =
            std::fs::metadata("/proc/self").map_err(|source| ImageError::Io { action: "read", path: "/proc/self".into(), source })?;
        let user = (!self.rootless).then(|| format!("{}:{}", about_us.uid(), about_us.gid()));
        let environment = step.environment.iter().map(|(name, value)| format!("{name}={}", text(value)));
        Ok(ContainerCreateBody {
            image: Some(image.to_owned()),
            user,
            entrypoint: Some(vec![program.to_owned()]),
            cmd: Some(step.arguments.iter().map(|argument| text(argument)).collect()),
            env: Some(environment.chain(["HOME=/tmp".to_owned()]).collect()),
            working_dir: Some(text(step.folder.as_os_str())),
            host_config: Some(HostConfig {
                mounts: Some(mounts.iter().map(mount).collect()),
                network_mode: Some("none".to_owned()),
                cap_drop: Some(vec!["ALL".to_owned()]),
                security_opt: Some(vec!["no-new-privileges".to_owned()]),
                ..HostConfig::default()
            }),
            ..ContainerCreateBody::default()
        })
    }

    async fn ended(&self, id: &str, image: &str, program: &str, step: &Step) -> Result<Ended, ImageError> {
        if let Err(error) = self.docker.start_container(id, None::<StartContainerOptions>).await {
            let words = error.to_string();
            if words.contains("executable file not found") || words.contains("no such file or directory") {
                let reason = format!("it has no {program}; name another with --builder-image, or use --local");
                return Err(ImageError::Build { what: format!("with image {image}"), reason });
            }
            return Err(self.failed(format!("run {program} in image {image}"), &error));
        }
        let (output, success) = futures::join!(self.output(id), self.waited(id));
        let (output, success) = (output?, success?);
        tracing::debug!(tool = program, success, folder = %step.folder.display(), "ran in the builder image");
        Ok(Ended { success, output })
    }

    async fn waited(&self, id: &str) -> Result<bool, ImageError> {
        let waited = self.docker.wait_container(id, None::<WaitContainerOptions>).next().await;
        match waited {
            Some(Ok(answer)) => Ok(answer.status_code == 0),
            Some(Err(Error::DockerContainerWaitError { .. })) => Ok(false),
            Some(Err(error)) => Err(self.failed("wait for a builder image".to_owned(), &error)),
            None => Ok(false),
        }
    }

    async fn output(&self, id: &str) -> Result<String, ImageError> {
        let options = LogsOptionsBuilder::new().stdout(true).stderr(true).follow(true).build();
        let mut pieces = self.docker.logs(id, Some(options));
        let mut output = Vec::new();
        while let Some(piece) = pieces.next().await {
            let piece = piece.map_err(|error| self.failed("read what a builder image says".to_owned(), &error))?.into_bytes();
            let room = OUTPUT_LIMIT.saturating_sub(output.len());
            output.extend_from_slice(piece.get(..room.min(piece.len())).unwrap_or_default());
        }
        Ok(String::from_utf8_lossy(&output).into_owned())
    }

    fn failed(&self, action: String, error: &Error) -> ImageError {
        ImageError::Engine { action, host: self.host.clone(), source: innermost(error).into() }
    }
}

/// What the HTTP layers between say helps nobody.
fn innermost(error: &Error) -> String {
    if let Error::DockerResponseServerError { message, .. } = error {
        return message.trim().to_owned();
    }
    let mut cause: &dyn std::error::Error = error;
    while let Some(deeper) = cause.source() {
        cause = deeper;
    }
    cause.to_string()
}
