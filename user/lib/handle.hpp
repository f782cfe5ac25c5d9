// SPDX-License-Identifier: MIT
// A handle that is closed when its owner ends.
#pragma once

#include "user/lib/calls.hpp"

#include <utility>

namespace user {

class OwnedHandle {
public:
    OwnedHandle() = default;
    explicit OwnedHandle(abi::Handle handle) : handle_(handle) {}
    OwnedHandle(OwnedHandle&& other) noexcept
        : handle_(std::exchange(other.handle_, abi::no_handle)) {}
    OwnedHandle& operator=(OwnedHandle&& other) noexcept {
        std::swap(handle_, other.handle_);
        return *this;
    }
    OwnedHandle(const OwnedHandle&) = delete;
    OwnedHandle& operator=(const OwnedHandle&) = delete;
    ~OwnedHandle() {
        if (handle_ != abi::no_handle) (void)handle_close(handle_);
    }

    abi::Handle get() const { return handle_; }
    explicit operator bool() const { return handle_ != abi::no_handle; }
    /// Gives the handle to the caller, who closes it.
    abi::Handle release() { return std::exchange(handle_, abi::no_handle); }

private:
    abi::Handle handle_ = abi::no_handle;
};

} // namespace user
