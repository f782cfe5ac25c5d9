// SPDX-License-Identifier: MIT
// Calls about handles.
#include "proc/calls/calls.hpp"
#include "proc/process.hpp"
#include "proc/scheduler.hpp"

namespace proc::calls {

Answer handle_close(std::uint64_t handle) {
    TRY(current_process().handles().remove(handle));
    return std::uint64_t{0};
}

Answer handle_duplicate(std::uint64_t handle, std::uint64_t rights) {
    HandleTable& handles = current_process().handles();
    if ((rights & ~std::uint64_t{abi::right_all}) != 0) return Error::invalid_argument;
    const auto wanted = static_cast<std::uint32_t>(rights);
    const Grant granted = TRY(handles.grant(handle, wanted | abi::right_duplicate));
    return handles.insert(Grant(*granted.object(), wanted));
}

} // namespace proc::calls
