//! Messages as they are: requests are written by prost, answers are handed on as the bytes that arrived.

use bytes::{Buf, Bytes};
use tonic::Status;
use tonic::codec::{Codec, DecodeBuf, Decoder, EncodeBuf, Encoder};

/// See the module.
pub(super) struct Raw<M>(std::marker::PhantomData<M>);

impl<M> Default for Raw<M> {
    fn default() -> Self {
        Raw(std::marker::PhantomData)
    }
}

impl<M: prost::Message + 'static> Codec for Raw<M> {
    type Encode = M;
    type Decode = Bytes;
    type Encoder = Self;
    type Decoder = Self;

    fn encoder(&mut self) -> Self {
        Raw::default()
    }

    fn decoder(&mut self) -> Self {
        Raw::default()
    }
}

impl<M: prost::Message> Encoder for Raw<M> {
    type Item = M;
    type Error = Status;

    fn encode(&mut self, message: M, buffer: &mut EncodeBuf<'_>) -> Result<(), Status> {
        message.encode(buffer).map_err(|e| Status::internal(e.to_string()))
    }
}

impl<M> Decoder for Raw<M> {
    type Item = Bytes;
    type Error = Status;

    fn decode(&mut self, buffer: &mut DecodeBuf<'_>) -> Result<Option<Bytes>, Status> {
        Ok(Some(buffer.copy_to_bytes(buffer.remaining())))
    }
}
