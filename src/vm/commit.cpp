// SPDX-License-Identifier: MIT
// Commit charge: the total of all promises, against the limit.
#include "vm/commit.hpp"

#include "vm/table.hpp"

namespace vm {

namespace {
constinit std::atomic<std::uint64_t> total{0};
constinit std::atomic<std::uint64_t> limit{~0ULL};
} // namespace

Result<void> Account::charge(PageCount pages) {
    const std::uint64_t mine = charged_.fetch_add(pages.value, std::memory_order_relaxed);
    if (pages.value > quota_ || mine > quota_ - pages.value) {
        charged_.fetch_sub(pages.value, std::memory_order_relaxed);
        return Error::limit_reached;
    }
    const std::uint64_t all = total.fetch_add(pages.value, std::memory_order_relaxed);
    const std::uint64_t most = limit.load(std::memory_order_relaxed);
    if (pages.value > most || all > most - pages.value) {
        total.fetch_sub(pages.value, std::memory_order_relaxed);
        charged_.fetch_sub(pages.value, std::memory_order_relaxed);
        return Error::no_memory;
    }
    return {};
}

void Account::release(PageCount pages) {
    charged_.fetch_sub(pages.value, std::memory_order_relaxed);
    total.fetch_sub(pages.value, std::memory_order_relaxed);
}

PageCount commit_capacity() {
    constexpr std::uint64_t tables_per_descriptor_frame = page_size / sizeof(TableDescriptor);
    const std::uint64_t free = frame_statistics().by_kind[static_cast<unsigned>(FrameKind::free)];
    return {free - free / tables_per_descriptor_frame - 1};
}

void set_commit_limit(PageCount pages) {
    limit.store(pages.value, std::memory_order_relaxed);
    total.store(0, std::memory_order_relaxed);
}
PageCount commit_limit() { return {limit.load(std::memory_order_relaxed)}; }
PageCount committed() { return {total.load(std::memory_order_relaxed)}; }

} // namespace vm
