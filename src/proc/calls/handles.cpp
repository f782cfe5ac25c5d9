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

namespace {

/// Makes the call that the running thread received last a handle. It stays received where there is
/// no room for one.
Answer keep_call(HandleTable& handles) {
    Thread& self = port::current_thread();
    if (self.to_answer == nullptr) return Error::bad_handle;
    Ref<Reply> call = self.to_answer->reply.open();
    const auto handle = handles.insert(Grant(Ref<Reply>(call)));
    if (handle) {
        self.to_answer = nullptr;
    } else {
        static_cast<void>(call.leak()); // what it keeps is kept by `to_answer` still
    }
    return handle;
}

} // namespace

Answer handle_duplicate(std::uint64_t handle, std::uint64_t rights) {
    HandleTable& handles = current_process().handles();
    if (handle == abi::received_call && rights == 0) return keep_call(handles);
    if ((rights & ~std::uint64_t{abi::right_all}) != 0) return Error::invalid_argument;
    const auto wanted = static_cast<std::uint32_t>(rights);
    const Grant granted = TRY(handles.grant(handle, wanted | abi::right_duplicate));
    return handles.insert(Grant(*granted.object(), wanted));
}

} // namespace proc::calls
