// SPDX-License-Identifier: MIT
// Windows in the kernel's half: what is mapped there belongs to somebody else, and stays so.
#include "arch/ktest/ktest.hpp"
#include "arch/ktest/probe.hpp"
#include "vm/frames.hpp"
#include "vm/space.hpp"

namespace arch::ktest {
namespace {

constexpr std::uint64_t pages = 2;

std::uint64_t free_frames() {
    return vm::frame_statistics().by_kind[static_cast<unsigned>(vm::FrameKind::free)];
}

/// What `maps kernel` tells of an address.
abi::Run run_at(VirtAddr address) {
    abi::Run run{};
    static_cast<void>(vm::kernel_space().query(address, {&run, 1}));
    return run;
}

Result<VirtAddr> map_window(PhysAddr frames, vm::Access access) {
    return vm::kernel_space().map_window({.frames = frames,
                                          .address = vm::kernel_space().range().start,
                                          .pages = {pages},
                                          .access = access});
}

/// Maps frames twice, as different windows, and takes both out.
Verdict map_and_unmap(PhysAddr frames) {
    const std::uint64_t mark = 0x5ee'4dab'1e00 + frames.value;
    auto* const word = static_cast<volatile std::uint64_t*>(vm::direct(frames + page_size));
    *word = mark;
    const auto first = map_window(frames, vm::Access::read_write());
    const auto second = map_window(frames, vm::Access::read());
    EXPECT(first.ok() && second.ok(), "out of memory");
    const abi::Run run = run_at(*first);
    const auto* const seen =
        reinterpret_cast<const volatile std::uint64_t*>(second->value + page_size);
    const bool shown = run.state == abi::State::shared && run.origin == abi::Origin::window &&
                       run.offset == frames.value && *seen == mark;
    const bool narrow = probe_write(*second).happened;
    EXPECT(vm::kernel_space().unmap({*first, *first + pages * page_size}).ok(), "unmap");
    const bool stays = *seen == mark;
    EXPECT(vm::kernel_space().unmap({*second, *second + pages * page_size}).ok(), "unmap");
    EXPECT(shown, "it is not shown as somebody else's memory");
    EXPECT(narrow, "a read-only window was written");
    EXPECT(stays, "another window of it went too");
    EXPECT(probe_read(*first).happened && probe_read(*second).happened, "it is still mapped");
    EXPECT(*word == mark, "its memory was changed");
    return Verdict::passed();
}

KERNEL_TEST(windows_are_not_freed,
            "a window in the kernel's half is unmapped, and no frame freed") {
    const auto frames = vm::allocate_frames(vm::FrameKind::kernel, 1);
    EXPECT(frames.ok(), "out of memory");
    Verdict verdict = map_and_unmap(*frames); // makes the tables that the next one finds
    const std::uint64_t before = free_frames();
    if (verdict.kind() == Verdict::Kind::passed) verdict = map_and_unmap(*frames);
    const std::uint64_t after = free_frames();
    const bool kept = vm::frame_record(*frames).kind == vm::FrameKind::kernel;
    vm::free_frames(*frames, 1);
    if (verdict.kind() != Verdict::Kind::passed) return verdict;
    EXPECT(kept && after == before, "a frame was freed with its window");
    EXPECT(free_frames() == before + pages, "its owner could not free it");
    return Verdict::passed();
}

} // namespace
} // namespace arch::ktest
