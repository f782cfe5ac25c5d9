// SPDX-License-Identifier: MIT
// What user mode's roots show, and that every way in and out puts back what it found.
#include "arch/apic/interprocessor.hpp"
#include "arch/boot/image.hpp"
#include "arch/cpu/area.hpp"
#include "arch/cpu/measures.hpp"
#include "arch/ktest/ktest.hpp"
#include "arch/ktest/user_fault.hpp"
#include "arch/ktest/user_page.hpp"
#include "arch/layout.hpp"
#include "arch/smp/waiting.hpp"
#include "proc/port.hpp"
#include "vm/validate.hpp"

#include <algorithm>
#include <array>
#include <atomic>
#include <span>

namespace arch::ktest {
namespace {

using vm::Entry;
using vm::Level;

/// Calls check(page, leaf entry) for every page of the kernel's half below a root; false as soon as
/// it is, or where a leaf is no page of 4 KiB.
template <typename Check>
bool all_kernel_pages(PhysAddr table, Level level, std::uint64_t base, Check&& check) {
    const auto* entries = static_cast<const Entry*>(layout::direct(table));
    for (unsigned index = level == 4 ? vm::table_entries / 2 : 0; index < vm::table_entries;
         ++index) {
        const Entry entry = entries[index];
        const std::uint64_t start = base | (std::uint64_t{index} << vm::level_shift(level));
        if (entry.empty()) continue;
        if (entry.is_table(level)) {
            if (entry.user() || !all_kernel_pages(entry.frame(), level - 1, start, check))
                return false;
        } else if (level != 1 || !check(VirtAddr{start}, entry)) {
            return false;
        }
    }
    return true;
}

std::uint64_t page_of(const void* object) {
    return align_down(reinterpret_cast<std::uint64_t>(object), page_size);
}

/// The rights with which user mode's roots may show a page of the kernel; none: not at all.
vm::Access allowed_access(VirtAddr page) {
    const auto in = [page](VirtRange range) { return range.start <= page && page < range.end; };
    if (in(image::guarded_text())) return vm::Access::read_execute();
    if (in(interrupt_table())) return vm::Access::read();
    for (unsigned cpu = 0; cpu < cpu_count(); ++cpu) {
        const CpuArea& area = *cpu_areas[cpu];
        if (page.value == page_of(&area.descriptors)) return vm::Access::read();
        if (page.value == page_of(&area.entry)) return vm::Access::read_write();
        for (unsigned stack = 1; stack <= interrupt_stack_count; ++stack) {
            const std::uint64_t top =
                interrupt_stack(area, static_cast<InterruptStack>(stack)).end.value;
            if (page.value == align_down(top, page_size)) return vm::Access::read_write();
            if (stack == static_cast<unsigned>(InterruptStack::nmi) &&
                page.value == align_down(interrupt_stack_below(top), page_size))
                return vm::Access::read_write();
        }
    }
    return vm::Access::none();
}

KERNEL_TEST(user_root_pages,
            "user mode's roots show of the kernel what entry code needs, no more") {
    if (!measures().isolation) return Verdict::skipped("no isolation");
    UserPage user;
    EXPECT(user.create(vm::Access::read_execute()).ok(), "out of memory");
    std::uint64_t shown = 0;
    const bool good = all_kernel_pages(
        user.space().user_root(), 4, 0xffff'0000'0000'0000, [&](VirtAddr page, Entry entry) {
            ++shown;
            const vm::EntryView view = entry.view(1);
            const auto* leaf = std::get_if<vm::LeafView>(&view);
            return leaf != nullptr && !leaf->user && !leaf->global &&
                   leaf->access != vm::Access::none() && leaf->access == allowed_access(page);
        });
    EXPECT(good, "a page is shown that should not be, or with other rights");
    constexpr std::uint64_t of_each_cpu = 7;
    const std::uint64_t shared =
        image::guarded_text().pages().value + interrupt_table().pages().value;
    EXPECT(shown == shared + of_each_cpu * cpu_count(), "a page is missing");
    EXPECT(vm::validate(user.space()) == nullptr, "user mode's root differs in the user's half");
    return Verdict::passed();
}

/// ebx times the system call that there isn't, whose results r12 adds up; then a breakpoint.
constexpr std::uint32_t calls = 2'000;
constexpr std::array<std::uint8_t, 23> call_often{0xbb, calls & 0xff, calls >> 8 & 0xff,
                                                  0,
                                                  0, // mov $calls, %ebx
                                                  0x45, 0x31,
                                                  0xe4, // xor %r12d, %r12d
                                                  0xb8, 0x00,         0x10,
                                                  0x00,
                                                  0x00, // 1: mov $0x1000, %eax
                                                  0x0f,
                                                  0x05, // syscall
                                                  0x49, 0x01,
                                                  0xc4, // add %rax, %r12
                                                  0xff,
                                                  0xcb, // dec %ebx
                                                  0x75,
                                                  0xf2,  // jnz 1b
                                                  0xcc}; // int3

/// Runs `code` at the start of a page of its own, until an exception.
std::optional<TrapFrame> run(UserPage& user, std::span<const std::uint8_t> code) {
    if (!user.create(vm::Access::read_execute()).ok()) return std::nullopt;
    const auto frame = user.space().frame_of(UserPage::address);
    if (!frame.ok()) return std::nullopt;
    std::ranges::copy(code, static_cast<std::uint8_t*>(layout::direct(*frame)));
    return run_user_code(UserPage::address, user.space());
}

bool ran_to_its_end(const TrapFrame& frame) {
    const auto result = static_cast<std::uint64_t>(Error::bad_system_call);
    return frame.vector == static_cast<std::uint64_t>(Vector::breakpoint) && frame.rbx == 0 &&
           frame.r12 == std::uint64_t{0} - calls * result;
}

KERNEL_TEST(user_mode_root, "user mode runs on the root that is its own") {
    UserPage user;
    const auto frame = run(user, call_often);
    EXPECT(frame.has_value(), "out of memory");
    EXPECT(ran_to_its_end(*frame), "it did not do what it should");
    const std::uint64_t loaded = this_cpu().entry.user_root_load & 0x000f'ffff'ffff'f000;
    EXPECT(loaded == (measures().isolation ? user.space().user_root().value : 0),
           "another was loaded");
    EXPECT(user.space().user_root() == user.space().root() + (measures().isolation ? page_size : 0),
           "it stands elsewhere");
    return Verdict::passed();
}

constinit std::atomic<bool> storm{false};

KERNEL_TEST(nmi_storm, "NMIs all the way into the kernel and out of it change nothing") {
    if (cpu_count() < 2) return Verdict::skipped("one CPU");
    constexpr std::uint64_t enough = 200;
    constexpr std::uint64_t patience = 20'000'000'000; // nanoseconds
    const std::uint64_t start = proc::port::now();
    storm.store(true);
    // With pauses of all lengths: where an NMI waits at the end of each, nothing else gets on.
    begin_on(1, [] {
        for (unsigned pause = 1; storm.load(); pause = pause * 5 % 1021) {
            send_nmi(0);
            for (unsigned left = pause; left != 0; --left) asm volatile("pause");
        }
    });
    const std::uint64_t before = this_cpu().nmis;
    bool good = true;
    while (good && this_cpu().nmis < before + enough && proc::port::now() - start < patience) {
        UserPage user;
        const auto frame = run(user, call_often);
        good = frame.has_value() && ran_to_its_end(*frame);
    }
    const std::uint64_t came = this_cpu().nmis - before;
    storm.store(false);
    EXPECT(run_on(1, [] {}), "the other CPU is gone");
    EXPECT(good, "user code went another way");
    EXPECT(came >= enough, "too few came");
    return Verdict::passed();
}

/// MOV SS, from watched memory, holds the debug exception back until after SYSCALL (SDM vol. 3A,
/// 6.8.3), where stack, GS and root are still the user's. Emulators may raise it at once.
KERNEL_TEST(held_back_debug,
            "a debug exception at the first instruction of the kernel is survived") {
    constexpr std::uint64_t operand = 17;
    constexpr std::array<std::uint8_t, operand + 2> code{0xb8,
                                                         0x00,
                                                         0x10,
                                                         0x00,
                                                         0x00, // mov $0x1000, %eax
                                                         0x48,
                                                         0x8d,
                                                         0x3d,
                                                         5,
                                                         0,
                                                         0,
                                                         0, // lea operand(%rip), %rdi
                                                         0x8e,
                                                         0x17, // mov (%rdi), %ss
                                                         0x0f,
                                                         0x05, // syscall
                                                         0xcc, // int3
                                                         SELECTOR_USER_DATA,
                                                         0};
    constexpr std::uint64_t watch_reads_and_writes = 0x400 | 3 | (3U << 16) | (1U << 18);
    const std::uint64_t gs = read_msr(Msr::gs_base);
    UserPage user;
    asm volatile("movq %0, %%dr0" : : "r"(UserPage::address.value + operand));
    write_dr7(watch_reads_and_writes);
    const auto frame = run(user, code);
    write_dr7(0x400);
    EXPECT(frame.has_value(), "out of memory");
    EXPECT(frame->vector == static_cast<std::uint64_t>(Vector::breakpoint) ||
               frame->vector == static_cast<std::uint64_t>(Vector::debug),
           "it met another exception");
    EXPECT(frame->from_user(), "it was met in the kernel");
    EXPECT(read_msr(Msr::gs_base) == gs, "GS changed");
    return Verdict::passed();
}

} // namespace
} // namespace arch::ktest
