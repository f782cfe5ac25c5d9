// SPDX-License-Identifier: MIT
// The way back to user mode where it is most dangerous: to an address that is not canonical.
#include "arch/cpu/area.hpp"
#include "arch/ktest/ktest.hpp"
#include "arch/ktest/user_fault.hpp"
#include "arch/layout.hpp"
#include "vm/entry.hpp"
#include "vm/frames.hpp"

#include <algorithm>
#include <array>

namespace arch::ktest {

extern "C" {
extern const char trap_user_iret[];
extern const char guarded_user_iret[];
}

namespace {

using vm::Entry;
using vm::Level;

/// The last page of the user's half. The map never gives it away, for the reason tested here: a
/// SYSCALL in its last two bytes returns to the first address that is not canonical.
constexpr VirtAddr last_page{layout::user_end.value - page_size};

/// mov $0x1000, %eax (no system call has that number); syscall
constexpr std::array<std::uint8_t, 7> code{0xb8, 0x00, 0x10, 0x00, 0x00, 0x0f, 0x05};

/// A space with that page, put in by hand beside the map and taken out again.
class LastPage {
public:
    LastPage() = default;
    LastPage(const LastPage&) = delete;
    LastPage& operator=(const LastPage&) = delete;
    ~LastPage() {
        if (created_) {
            *slot(space_.root(), 4) = *slot(space_.user_root(), 4) = Entry::absent();
            space_.destroy();
        }
        for (const PhysAddr frame : frames_)
            if (frame.value != 0) vm::free_frame(frame);
    }
    bool create() {
        for (PhysAddr& frame : frames_) {
            const auto allocated = vm::allocate_zeroed_frame(vm::FrameKind::kernel);
            if (!allocated.ok()) return false;
            frame = *allocated;
        }
        created_ = space_.create().ok();
        if (!created_ || !slot(space_.root(), 4)->empty()) return false;
        *slot(frames_[1], 1) = Entry::leaf(frames_[0], vm::Access::read_execute(), 1, {});
        *slot(frames_[2], 2) = Entry::table(frames_[1], true);
        *slot(frames_[3], 3) = Entry::table(frames_[2], true);
        *slot(space_.root(), 4) = *slot(space_.user_root(), 4) = Entry::table(frames_[3], true);
        auto* const page = static_cast<std::uint8_t*>(layout::direct(frames_[0]));
        std::ranges::copy(code, page + page_size - code.size());
        return true;
    }
    vm::AddressSpace& space() { return space_; }

private:
    static Entry* slot(PhysAddr table, Level level) {
        return static_cast<Entry*>(layout::direct(table)) + vm::level_index(last_page, level);
    }
    vm::AddressSpace space_;
    std::array<PhysAddr, 4> frames_{}; // the page, and a table for each level from 1
    bool created_ = false;
};

KERNEL_TEST(return_not_canonical,
            "a return to an address that is not canonical is the user's fault") {
    LastPage page;
    EXPECT(page.create(), "out of memory");
    const auto frame = run_user_code(layout::user_end - code.size(), page.space());
    EXPECT(frame.has_value(), "out of memory");
    EXPECT(frame->vector == static_cast<std::uint64_t>(Vector::general_protection),
           "it met another exception");
    // Some processors fault in the IRETQ, others only behind it.
    const bool behind = frame->from_user() && frame->rip == layout::user_end.value;
    const bool within = frame->rip == reinterpret_cast<std::uint64_t>(
                                          this_cpu().guarded ? guarded_user_iret : trap_user_iret);
    EXPECT(behind || within, "it was met elsewhere");
    EXPECT(static_cast<std::int64_t>(frame->rax) ==
               -static_cast<std::int64_t>(Error::bad_system_call),
           "the system call's result was lost");
    return Verdict::passed();
}

} // namespace
} // namespace arch::ktest
