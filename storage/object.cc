#include "storage/object.h"

#include "storage/reaper.h"

namespace larder::storage {

void Object::drop() {
  if (--holders_ == 0) Reaper::free(this);
}

}  // namespace larder::storage
