// SPDX-License-Identifier: MIT
// An address space of a test's own, in use while the object lives.
#pragma once

#include "arch/trap/frame.hpp"
#include "lib/address.hpp"
#include "lib/result.hpp"
#include "vm/space.hpp"

namespace arch::ktest {

/// One page of user memory at `address`, present, beginning with a RET, and holes around it. While
/// this lives the CPU runs in its space, and faults of the user-memory routines are resolved in it.
class UserPage {
public:
    static constexpr VirtAddr address{0x40'0000};
    static constexpr VirtRange range{address, address + page_size};

    UserPage() = default;
    UserPage(const UserPage&) = delete;
    UserPage& operator=(const UserPage&) = delete;
    ~UserPage();

    /// Makes it. Error: no_memory.
    Result<void> create(vm::Access access);
    vm::AddressSpace& space() { return space_; }

    /// For the trap dispatcher: a fault in a routine of the exception table while a UserPage lives.
    static bool resolve(TrapFrame& frame);

private:
    vm::AddressSpace space_;
    bool created_ = false;
};

} // namespace arch::ktest
