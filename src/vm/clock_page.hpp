// SPDX-License-Identifier: MIT
// The clock page in the map: a window of one frame that is the kernel's for good. Its entries are
// "don't free me" and not counted, so that processes come, fork and go without a write to its
// record.
#pragma once

#include "lib/address.hpp"

namespace vm {

/// Says which frame it is; content is the machine's business (abi/clock_page.hpp). Once, before the
/// first process. The frame is never freed.
void set_clock_frame(PhysAddr frame);
/// 0 as long as there is none.
PhysAddr clock_frame();

} // namespace vm
