//! `ngraph top`: the live edges in a terminal.

mod agent;
mod draw;
mod model;
mod own;
mod sample;
mod screen;

use anyhow::Result;
use log::debug;

use crate::{
    collect,
    config::{Config, Socket},
    ending::Ending,
};
use agent::Agent;
use model::Model;
use own::Own;
use sample::Sample;
use screen::Screen;

/// Shows edges until it's told to end.
///
/// # Errors
/// Where there is no terminal, or the capture that was asked for doesn't work.
pub fn run(config: Config) -> Result<()> {
    screen::possible()?;
    collect::runtime()?.block_on(async {
        let mut ending = Ending::listen()?;
        tokio::select! {
            shown = show(config) => shown,
            () = ending.told() => Ok(()),
        }
    })
}

/// Until the keys say that it's over. Dropped, it gives the terminal back.
async fn show(config: Config) -> Result<()> {
    let mut source = Source::open(config).await?;
    let mut model = Model::new(source.name());
    let mut screen = Screen::enter()?;
    while !model.is_over {
        screen.show(&model)?;
        tokio::select! {
            presses = screen.presses() => presses?.into_iter().for_each(|it| model.press(it)),
            sample = source.next() => match (sample, &source) {
                (Ok(sample), _) => model.take(sample),
                // It may be back in a moment.
                (Err(err), Source::Agent(_)) => model.lack(&format!("{err:#}")),
                (Err(err), Source::Own(_)) => return Err(err),
            },
        }
    }
    Ok(())
}

/// Where samples come from.
enum Source {
    Agent(Agent),
    Own(Box<Own>),
}

impl Source {
    /// The agent at the socket. Where there is none, and it isn't asked for by its path, a capture
    /// of one's own.
    async fn open(config: Config) -> Result<Self> {
        if let Some(path) = config.socket.path() {
            match Agent::connect(path.to_owned()).await {
                Ok(agent) => return Ok(Self::Agent(agent)),
                Err(err) if config.socket != Socket::Auto => return Err(err),
                Err(err) => debug!("{err:#}"),
            }
        }
        Ok(Self::Own(Box::new(Own::start(config).await?)))
    }

    fn name(&self) -> String {
        match self {
            Self::Agent(agent) => agent.name(),
            Self::Own(own) => own.name(),
        }
    }

    async fn next(&mut self) -> Result<Sample> {
        match self {
            Self::Agent(agent) => agent.next().await,
            Self::Own(own) => own.next().await,
        }
    }
}
