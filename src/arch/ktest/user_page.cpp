// SPDX-License-Identifier: MIT
// User memory without a process.
#include "arch/ktest/user_page.hpp"

#include "arch/cpu/registers.hpp"
#include "arch/layout.hpp"
#include "arch/memory/translation.hpp"
#include "arch/trap/exception_table.hpp"

namespace arch::ktest {
namespace {

constinit UserPage* current = nullptr;

} // namespace

Result<void> UserPage::create(vm::Access access) {
    TRY(space_.create());
    created_ = true;
    run_space(space_);
    current = this;
    TRY(space_.map({.address = address, .pages = {1}, .placement = vm::Placement::fixed}));
    TRY(space_.populate(range));
    const PhysAddr frame = TRY(space_.frame_of(address));
    *static_cast<volatile std::uint8_t*>(layout::direct(frame)) = 0xc3; // RET
    return space_.protect(range, access);
}

UserPage::~UserPage() {
    if (!created_) return;
    current = nullptr;
    run_space(vm::kernel_space());
    space_.destroy();
}

bool UserPage::resolve(TrapFrame& frame) {
    if (current == nullptr || frame.vector != static_cast<std::uint64_t>(Vector::page_fault))
        return false;
    const ExceptionRecord* record = find_exception_record(frame.rip);
    const VirtAddr at{read_cr2()};
    if (record == nullptr || at >= layout::user_end) return false;
    const vm::Resolution how =
        current->space_.resolve(at, {.write = (frame.error & page_fault_write) != 0});
    if (how != vm::Resolution::resolved) frame.rip = record->fixup;
    return true;
}

} // namespace arch::ktest
