// Streams as RDB spells them: their blocks, what they remember, their groups with all that is
// pending. Thread: any; see dump.cc.
#pragma once

#include <memory>
#include <string>

#include "protocol/rdb.h"
#include "storage/types/stream.h"

namespace larder::server {

struct DropStream {
  void operator()(storage::Stream* stream) const { stream->drop(); }
};
using StreamHold = std::unique_ptr<storage::Stream, DropStream>;

std::string dump_of_stream(const storage::Stream& stream);
// Behind the type. Null, with the reader failed, when something is wrong.
StreamHold read_stream_dump(protocol::RdbReader& reader, protocol::RdbType type);

}  // namespace larder::server
