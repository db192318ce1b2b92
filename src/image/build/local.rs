//! Runs commands with the tools of this machine.

use std::io::Read;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use super::error::ImageError;
use super::step::{Ended, OUTPUT_LIMIT, Places, Runner, Step, Tool};
use crate::image::compile::Toolchain;

/// See the module.
pub(super) struct Local<'a> {
    places: Places,
    toolchain: Option<&'a Toolchain>,
}

impl<'a> Local<'a> {
    pub fn new(places: Places, toolchain: Option<&'a Toolchain>) -> Self {
        Local { places, toolchain }
    }

    fn program(&self, tool: Tool) -> PathBuf {
        let chosen = self.toolchain.and_then(|toolchain| match tool {
            Tool::Clang => Some(toolchain.clang()),
            Tool::Strip => Some(toolchain.strip()),
            _ => None,
        });
        chosen.map_or_else(|| PathBuf::from(tool.names().0), Path::to_owned)
    }
}

impl Runner for Local<'_> {
    fn places(&self) -> &Places {
        &self.places
    }

    fn results(&self) -> &Path {
        &self.places.results
    }

    fn run(&mut self, step: &Step) -> Result<Ended, ImageError> {
        let program = self.program(step.tool);
        let failed = |source| ImageError::Io { action: "run", path: program.clone(), source };
        let (mut reader, writer) = std::io::pipe().map_err(failed)?;
        let mut command = Command::new(&program);
        command.args(&step.arguments).envs(step.environment.iter().map(|(name, value)| (name, value))).current_dir(&step.folder);
        command.stdin(Stdio::null()).stdout(writer.try_clone().map_err(failed)?).stderr(writer);
        let mut child = command.spawn().map_err(|source| match source.kind() {
            std::io::ErrorKind::NotFound => ImageError::Build {
                what: step.folder.display().to_string(),
                reason: format!("{} is not here: {}", program.display(), step.tool.advice()),
            },
            _ => failed(source),
        })?;
        // The command holds our ends of the pipe until it goes.
        drop(command);
        let mut output = Vec::new();
        // Reading to the end keeps a talkative command from waiting; what is too much is left out.
        let read = (&mut reader).take(OUTPUT_LIMIT as u64).read_to_end(&mut output);
        let rest = std::io::copy(&mut reader, &mut std::io::sink());
        let status = child.wait().map_err(failed)?;
        read.and(rest).map_err(failed)?;
        Ok(Ended { success: status.success(), output: String::from_utf8_lossy(&output).into_owned() })
    }
}
