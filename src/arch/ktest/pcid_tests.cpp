// SPDX-License-Identifier: MIT
// What a CPU keeps of a space that it leaves, and that no change made meanwhile is missed.
#include "arch/cpu/area.hpp"
#include "arch/cpu/measures.hpp"
#include "arch/ktest/ktest.hpp"
#include "arch/ktest/user_fault.hpp"
#include "arch/ktest/user_page.hpp"
#include "arch/layout.hpp"
#include "arch/memory/translation.hpp"
#include "arch/smp/waiting.hpp"
#include "proc/port.hpp"
#include "vm/translations.hpp"

#include <algorithm>
#include <array>

namespace arch::ktest {
namespace {

constexpr VirtRange page = UserPage::range;
/// Its frame is taken while the page has none, so that the page never gets the same one again.
constexpr VirtRange spare{page.end + page_size, page.end + page_size + page_size};
constexpr std::uint64_t large = 64; ///< pages, more than are flushed one by one
constexpr VirtRange around{page.start, page.start + large* page_size};

constinit vm::AddressSpace* changed = nullptr;
constinit std::uint8_t next_number = 0;
constinit VirtRange discarded{};
constinit bool done = false;

/// The page gets another frame, with code that brings the next number to RAX and ends.
void change_page() {
    const vm::Visit visit(changed->translations());
    done = changed->discard(discarded).ok() && changed->populate(spare).ok() &&
           changed->populate(page).ok();
    const auto frame = changed->frame_of(page.start);
    done = done && frame.ok();
    if (!done) return;
    ++next_number;
    const std::array<std::uint8_t, 6> code{0xb8, next_number, 0, 0, 0, 0xcc}; // mov, int3
    std::ranges::copy(code, static_cast<std::uint8_t*>(layout::direct(*frame)));
}

bool kernel_reads_it() {
    std::array<std::uint8_t, 2> bytes{};
    return proc::port::copy_from_user(bytes.data(), page.start, bytes.size()).ok() &&
           bytes[1] == next_number;
}
bool user_runs_it(vm::AddressSpace& space) {
    const auto frame = run_user_code(page.start, space);
    return frame.has_value() && frame->rax == next_number &&
           frame->vector == static_cast<std::uint64_t>(Vector::breakpoint);
}
/// The space is loaded, and both the kernel and user mode find the page as it is now.
bool both_find_it(vm::AddressSpace& space) {
    run_space(space);
    const bool user = user_runs_it(space); // leaves the space
    run_space(space);
    return kernel_reads_it() && user;
}

bool prepare(UserPage& user) {
    if (!user.create(vm::Access::read_execute()).ok()) return false;
    changed = &user.space();
    const auto more = changed->map({.address = page.end,
                                    .pages = {large - 1},
                                    .placement = vm::Placement::fixed,
                                    .access = vm::Access::read()});
    if (!more.ok()) return false;
    discarded = {page.start, spare.end};
    change_page();
    return done && both_find_it(*changed);
}

KERNEL_TEST(pcid_kept, "PCIDs: a space that is left and run again keeps what was cached") {
    if (!measures().pcid) return Verdict::skipped("no PCIDs");
    UserPage user;
    EXPECT(prepare(user), "out of memory, or another page was found");
    CpuArea& area = this_cpu();
    const std::uint64_t kept = area.kept_roots;
    const std::uint64_t fresh = area.fresh_roots;
    const std::uint64_t pcid = read_cr3() & cr3_pcid_mask;
    run_space(vm::kernel_space());
    EXPECT((read_cr3() & cr3_pcid_mask) == 0, "the kernel's space has another");
    run_space(user.space());
    EXPECT(pcid != 0 && (read_cr3() & cr3_pcid_mask) == pcid, "its PCID is not its own");
    EXPECT(area.kept_roots == kept + 2 && area.fresh_roots == fresh, "a load flushed");
    EXPECT(both_find_it(user.space()), "another page was found");
    EXPECT(area.fresh_roots == fresh, "a load flushed after user mode ran");
    return Verdict::passed();
}

KERNEL_TEST(pcid_flush_here, "PCIDs: a flush of the running space reaches both its roots") {
    UserPage user;
    EXPECT(prepare(user), "out of memory, or another page was found");
    const VirtRange few = discarded;
    for (const VirtRange range : {few, around, few, around}) {
        discarded = range;
        change_page();
        EXPECT(done, "out of memory");
        EXPECT(kernel_reads_it(), "the kernel found the old page");
        EXPECT(user_runs_it(user.space()), "user mode found the old page");
        run_space(user.space());
        // What user mode's root owes is not lost while another space runs.
        change_page();
        EXPECT(done, "out of memory");
        run_space(vm::kernel_space());
        EXPECT(both_find_it(user.space()), "after a switch the old page was found");
    }
    return Verdict::passed();
}

/// Changes the page while this CPU is away from its space, by `change`, and looks for the new one.
template <typename Change>
Verdict change_while_away(UserPage& user, Change change) {
    CpuArea& area = this_cpu();
    for (unsigned round = 0; round < 3; ++round) {
        run_space(vm::kernel_space());
        change();
        EXPECT(done, "out of memory");
        const std::uint64_t fresh = area.fresh_roots;
        run_space(user.space());
        EXPECT(!measures().pcid || area.fresh_roots == fresh + 1, "the load did not flush");
        EXPECT(both_find_it(user.space()), "the old page was found");
    }
    return Verdict::passed();
}

KERNEL_TEST(pcid_change_away, "PCIDs: a change made while the space does not run is honoured") {
    UserPage user;
    EXPECT(prepare(user), "out of memory, or another page was found");
    return change_while_away(user, change_page);
}

KERNEL_TEST(pcid_change_elsewhere, "PCIDs: so is one made by another CPU, which asks nobody") {
    if (cpu_count() < 2) return Verdict::skipped("one CPU");
    UserPage user;
    EXPECT(prepare(user), "out of memory, or another page was found");
    const std::uint64_t asked = this_cpu().flush_requests;
    const Verdict verdict = change_while_away(user, [] {
        done = false;
        static_cast<void>(run_on(1, change_page));
    });
    EXPECT(this_cpu().flush_requests == asked, "a CPU that had left was interrupted");
    return verdict;
}

KERNEL_TEST(pcid_kernel_half, "PCIDs: a change of the kernel's half is seen under every one") {
    UserPage user;
    EXPECT(prepare(user), "out of memory, or another page was found");
    vm::AddressSpace& kernel = vm::kernel_space();
    const auto at = kernel.map({.pages = {2}});
    EXPECT(at.ok(), "out of memory");
    auto* const word = reinterpret_cast<volatile std::uint64_t*>(at->value);
    const VirtRange first{*at, *at + page_size};
    const VirtRange second{first.end, first.end + page_size};
    bool good = true;
    for (std::uint64_t round = 1; good && round <= 3; ++round) {
        good = kernel.populate(first).ok();
        if (good) *word = round; // under the user's PCID
        run_space(kernel);
        good = good && *word == round && kernel.discard({first.start, second.end}).ok() &&
               kernel.populate(second).ok() && kernel.populate(first).ok();
        run_space(user.space());
        good = good && *word == 0;
    }
    EXPECT(kernel.unmap({first.start, second.end}).ok(), "it can't be unmapped");
    EXPECT(good, "the old page was found, or there was no memory");
    return Verdict::passed();
}

} // namespace
} // namespace arch::ktest
