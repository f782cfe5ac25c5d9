// SPDX-License-Identifier: MIT
// What a panic asks of parts that may not be linked in.
#include "arch/trap/frame.hpp"
#include "proc/port.hpp"

namespace arch {
[[gnu::weak]] const char* vector_name(std::uint64_t) { return "exception"; }
} // namespace arch

namespace proc {
[[gnu::weak]] Identity running_process() { return {}; }
} // namespace proc
