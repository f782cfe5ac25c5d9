// SPDX-License-Identifier: MIT
// UserRange: a range that user space named and that was checked. It can be copied, not
// dereferenced.
#pragma once

#include "proc/port.hpp"
#include "vm/port.hpp"
#include "vm/space.hpp"

#include <type_traits>

namespace proc {

class UserRange {
public:
    /// Checks that the range lies in the part of the user half that can be mapped. Whether anything
    /// is there shows when it is copied. Error: bad_address.
    static Result<UserRange> make(std::uint64_t address, std::uint64_t bytes) {
        const std::uint64_t end = vm::user_range.end.value;
        if (bytes == 0) return UserRange(VirtAddr{0}, 0); // nothing will be copied
        if (address < vm::user_range.start.value || address >= end || bytes > end - address)
            return Error::bad_address;
        return UserRange(VirtAddr{address}, bytes);
    }

    std::uint64_t bytes() const { return bytes_; }
    /// Precondition: within the range.
    UserRange part(std::uint64_t offset, std::uint64_t bytes) const {
        vm::require(offset <= bytes_ && bytes <= bytes_ - offset, "a part outside its range");
        return UserRange(start_ + offset, bytes);
    }

    /// Copies all of it / to all of it. Error: bad_address; some of it may have been copied.
    Result<void> copy_in(void* to) const {
        return bytes_ == 0 ? Result<void>() : port::copy_from_user(to, start_, bytes_);
    }
    Result<void> copy_out(const void* from) const {
        return bytes_ == 0 ? Result<void>() : port::copy_to_user(start_, from, bytes_);
    }

private:
    UserRange(VirtAddr start, std::uint64_t bytes) : start_(start), bytes_(bytes) {}
    VirtAddr start_;
    std::uint64_t bytes_;
};

/// Copies a structure in / out by its address. Error: bad_address.
template <typename T>
    requires std::is_trivially_copyable_v<T>
Result<void> copy_in(std::uint64_t address, T& value) {
    return TRY(UserRange::make(address, sizeof(T))).copy_in(&value);
}
template <typename T>
    requires std::is_trivially_copyable_v<T>
Result<void> copy_out(std::uint64_t address, const T& value) {
    return TRY(UserRange::make(address, sizeof(T))).copy_out(&value);
}
/// Copies out as much of a structure as the caller, who may know an older and shorter one, has room
/// for. Gives the bytes written.
template <typename T>
    requires std::is_trivially_copyable_v<T>
Result<std::uint64_t> copy_out_versioned(std::uint64_t address, std::uint64_t bytes,
                                         const T& value) {
    const std::uint64_t written = bytes < sizeof(T) ? bytes : sizeof(T);
    const UserRange range = TRY(UserRange::make(address, written));
    TRY(range.copy_out(&value));
    return written;
}

} // namespace proc
