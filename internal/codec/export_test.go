package codec

import "github.com/yagura-hids/yagura/internal/event"

// Raw returns a batch as it is before it's compressed.
func Raw(b *event.Batch) ([]byte, error) { return modes().enc.Marshal(pack(b)) }
