//! Calls to one endpoint.

use std::time::Duration;

use tonic::client::Grpc;
use tonic::codegen::http::uri::PathAndQuery;
use tonic::metadata::{Ascii, MetadataValue};
use tonic::transport::{Certificate, Channel, ClientTlsConfig};
use tonic::{Code, Request, Status};
use tonic_prost::ProstCodec;

use super::proto::{
    Empty, ModelConfigResponse, ModelInferRequest, ModelInferResponse, ModelMetadataResponse,
    ModelRequest, ReadyResponse, RegionRegisterRequest, RegionRequest, RegionStatusResponse,
    ServerMetadataResponse,
};
use crate::core::explained::explained;
use crate::models::remote::{Endpoint, RemoteModel};

/// How long a connection may take to be there.
const CONNECT: Duration = Duration::from_secs(3);
/// How long an answer about a server or a model may take.
pub(super) const ASK: Duration = Duration::from_secs(5);
/// By how much the server hears of a later end than is waited for, so that the error is ours.
pub(super) const LATER: Duration = Duration::from_millis(200);
/// Of an answer. Those of the networks here have a few MB at most.
const MOST_BYTES: usize = 256 << 20;

/// One server.
#[derive(Clone, Debug)]
pub(super) struct Client {
    pub(super) endpoint: Endpoint,
    channel: Channel,
    token: Option<MetadataValue<Ascii>>,
}

impl Client {
    /// Connects when it is first asked, and again whenever the connection is lost. To be called within a
    /// runtime.
    ///
    /// # Errors
    /// In words, for certificates and tokens.
    pub(super) fn new(endpoint: &Endpoint, remote: &RemoteModel) -> Result<Self, String> {
        let channel = Channel::from_shared(endpoint.uri()).map_err(|e| e.to_string())?;
        let mut channel = channel
            .connect_timeout(CONNECT)
            .tcp_nodelay(true)
            // One that is gone without a word is found out between requests, too.
            .http2_keep_alive_interval(Duration::from_secs(20))
            .keep_alive_timeout(Duration::from_secs(5))
            .initial_stream_window_size(4 << 20)
            .initial_connection_window_size(16 << 20);
        if endpoint.tls {
            channel = channel.tls_config(tls(remote)?).map_err(|e| explained(&e))?;
        }
        Ok(Self {
            endpoint: endpoint.clone(),
            channel: channel.connect_lazy(),
            token: token(remote)?,
        })
    }

    async fn unary<Q, R>(&self, path: &'static str, ask: Q, within: Duration) -> Result<R, Status>
    where
        Q: prost::Message + Send + Sync + 'static,
        R: prost::Message + Default + Send + Sync + 'static,
    {
        let call = async {
            let mut grpc = Grpc::new(self.channel.clone()).max_decoding_message_size(MOST_BYTES);
            let lost = |error: tonic::transport::Error| Status::unavailable(explained(&error));
            grpc.ready().await.map_err(lost)?;
            let mut request = Request::new(ask);
            // The server need not go on with what nobody waits for.
            request.set_timeout(within + LATER);
            if let Some(token) = &self.token {
                request.metadata_mut().insert("authorization", token.clone());
            }
            let codec: ProstCodec<Q, R> = ProstCodec::default();
            grpc.unary(request, PathAndQuery::from_static(path), codec).await
        };
        let late = |_| Status::deadline_exceeded(format!("no answer within {within:?}"));
        Ok(tokio::time::timeout(within, call).await.map_err(late)??.into_inner())
    }

    /// Whether the server and the model are ready.
    pub(super) async fn is_ready(&self, model: ModelRequest) -> Result<(), Status> {
        let path = "/inference.GRPCInferenceService/ServerReady";
        let server: ReadyResponse = self.unary(path, Empty {}, ASK).await?;
        if !server.ready {
            return Err(Status::unavailable("the server is not ready"));
        }
        let path = "/inference.GRPCInferenceService/ModelReady";
        let name = model.name.clone();
        let model: ReadyResponse = self.unary(path, model, ASK).await?;
        match model.ready {
            true => Ok(()),
            false => Err(Status::not_found(format!("it has no model {name} that is ready"))),
        }
    }

    pub(super) async fn server(&self) -> Result<ServerMetadataResponse, Status> {
        let path = "/inference.GRPCInferenceService/ServerMetadata";
        self.unary(path, Empty {}, ASK).await
    }

    pub(super) async fn metadata(
        &self,
        model: ModelRequest,
    ) -> Result<ModelMetadataResponse, Status> {
        self.unary("/inference.GRPCInferenceService/ModelMetadata", model, ASK).await
    }

    /// Triton's; `None` on other servers.
    pub(super) async fn config(
        &self,
        model: ModelRequest,
    ) -> Result<Option<ModelConfigResponse>, Status> {
        match self.unary("/inference.GRPCInferenceService/ModelConfig", model, ASK).await {
            Err(status) if status.code() == Code::Unimplemented => Ok(None),
            found => found.map(Some),
        }
    }

    pub(super) async fn infer(
        &self,
        request: ModelInferRequest,
        within: Duration,
    ) -> Result<ModelInferResponse, Status> {
        self.unary("/inference.GRPCInferenceService/ModelInfer", request, within).await
    }
}

/// Triton's extension `system_shared_memory`.
impl Client {
    /// Has the server map a region by its name.
    pub(super) async fn register(&self, region: RegionRegisterRequest) -> Result<(), Status> {
        let path = "/inference.GRPCInferenceService/SystemSharedMemoryRegister";
        self.unary(path, region, ASK).await.map(|Empty {}| ())
    }

    /// Has the server let go of one. The empty name would be that of all.
    pub(super) async fn unregister(&self, name: String) -> Result<(), Status> {
        let path = "/inference.GRPCInferenceService/SystemSharedMemoryUnregister";
        self.unary(path, RegionRequest { name }, ASK).await.map(|Empty {}| ())
    }

    /// The names of all regions that the server has mapped.
    pub(super) async fn regions(&self) -> Result<Vec<String>, Status> {
        let path = "/inference.GRPCInferenceService/SystemSharedMemoryStatus";
        let all = RegionRequest { name: String::new() };
        let answer: RegionStatusResponse = self.unary(path, all, ASK).await?;
        Ok(answer.regions.into_keys().collect())
    }
}

fn tls(remote: &RemoteModel) -> Result<ClientTlsConfig, String> {
    let config = ClientTlsConfig::new().with_native_roots();
    let Some(path) = &remote.ca_file else { return Ok(config) };
    let pem = std::fs::read(path)
        .map_err(|e| format!("ca-file: {} cannot be read: {e}", path.display()))?;
    Ok(config.ca_certificate(Certificate::from_pem(pem)))
}

fn token(remote: &RemoteModel) -> Result<Option<MetadataValue<Ascii>>, String> {
    let name = &remote.token_env;
    let Some(token) = std::env::var_os(name).filter(|token| !token.is_empty()) else {
        // The default need not be there; one that is named must.
        return match name.as_str() {
            RemoteModel::TOKEN_ENV => Ok(None),
            _ => Err(format!("token-env: the environment variable {name} is not set")),
        };
    };
    let value = token.to_str().and_then(|token| format!("Bearer {}", token.trim()).parse().ok());
    let mut value: MetadataValue<Ascii> = value.ok_or_else(|| {
        format!("the environment variable {name} holds no token: printable ASCII is expected")
    })?;
    // Whatever prints a request does not print it.
    value.set_sensitive(true);
    Ok(Some(value))
}

/// What a status says, in one line.
pub(super) fn said(status: &Status) -> String {
    let source = std::error::Error::source(status).map(explained);
    let text = match (status.message(), source) {
        ("", None) => status.code().description().to_owned(),
        (message, None) => message.to_owned(),
        (message, Some(source)) if source.contains(message) => source,
        (message, Some(source)) => format!("{message}: {source}"),
    };
    format!("{} ({:?})", text.trim(), status.code())
}
