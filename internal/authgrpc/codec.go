package authgrpc

import (
	authv3 "github.com/envoyproxy/go-control-plane/envoy/service/auth/v3"
	"google.golang.org/grpc/encoding"
	"google.golang.org/grpc/encoding/proto" // registers the codec that the one here is built on
	"google.golang.org/grpc/mem"
)

// codec is gRPC's own, but for what it cannot read or write of a decision: that would be an error of gRPC before or after
// anybody was asked. A client can have a hand in it, by a path that is no UTF-8, say, which the protocol forbids.
type codec struct {
	encoding.CodecV2

	// failed is told of an answer that cannot be written, which nothing should be able to cause.
	failed func(err error)
}

func newCodec(failed func(error)) codec {
	return codec{CodecV2: encoding.GetCodecV2(proto.Name), failed: failed}
}

// unreadable are the attributes of a question that could not be read.
var unreadable = &authv3.AttributeContext{}

// Unmarshal implements encoding.CodecV2.
func (c codec) Unmarshal(data mem.BufferSlice, v any) error {
	err := c.CodecV2.Unmarshal(data, v)
	request, isQuestion := v.(*authv3.CheckRequest)
	if err == nil || !isQuestion {
		return err
	}
	request.Reset()
	request.Attributes = unreadable
	return nil
}

// Marshal implements encoding.CodecV2.
func (c codec) Marshal(v any) (mem.BufferSlice, error) {
	data, err := c.CodecV2.Marshal(v)
	if _, isAnswer := v.(*authv3.CheckResponse); err == nil || !isAnswer {
		return data, err
	}
	c.failed(err)
	return c.CodecV2.Marshal(lastResort)
}
