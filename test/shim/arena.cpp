// SPDX-License-Identifier: MIT
// Physical memory of the modelled machine.
#include "shim/arena.hpp"

#include "shim/walker.hpp"

#include <algorithm>
#include <cstring>

#include <sys/mman.h>
#include <unistd.h>

namespace shim {

namespace {

constexpr std::size_t records_limit = (physical_limit >> page_bits) * 32;
constexpr int junk = 0xa5;

void* at(std::uint64_t address) { return reinterpret_cast<void*>(address); }

void* checked(void* mapping, const char* what) {
    if (mapping == MAP_FAILED) throw ModelError(what);
    return mapping;
}

} // namespace

Arena& Arena::the() {
    static Arena arena;
    return arena;
}

Arena::Arena() : file_(memfd_create("physical memory", MFD_CLOEXEC)) {
    if (file_ < 0 || ftruncate(file_, static_cast<off_t>(physical_limit)) != 0)
        throw ModelError("no physical memory");
    checked(mmap(at(direct_map_base), physical_limit, PROT_NONE, MAP_SHARED | MAP_FIXED_NOREPLACE,
                 file_, 0),
            "no room for the direct map");
    checked(mmap(at(kernel_range.start.value), kernel_range.bytes(), PROT_NONE,
                 MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | MAP_FIXED_NOREPLACE, -1, 0),
            "no room for the kernel's half");
    records_ = checked(mmap(nullptr, records_limit, PROT_READ | PROT_WRITE,
                            MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0),
                       "no room for frame records");
}

void Arena::set_memory(std::span<const PhysRange> ranges) {
    if (!std::ranges::equal(ranges, ranges_)) {
        mprotect(at(direct_map_base), physical_limit, PROT_NONE);
        ranges_.assign(ranges.begin(), ranges.end());
        for (const PhysRange& range : ranges_) {
            if (range.end.value > physical_limit ||
                mprotect(host(range.start), range.bytes(), PROT_READ | PROT_WRITE) != 0)
                throw ModelError("physical memory out of range");
        }
    }
    for (const PhysRange& range : ranges_) std::memset(host(range.start), junk, range.bytes());
}

bool Arena::contains(std::uint64_t physical, std::uint64_t bytes) const {
    return std::ranges::any_of(ranges_, [&](const PhysRange& range) {
        return physical >= range.start.value && physical + bytes <= range.end.value;
    });
}

void* Arena::host(PhysAddr physical) const { return at(direct_map_base + physical.value); }

void Arena::mirror(VirtAddr page, PhysAddr frame) {
    if (page < kernel_range.start || !(page < kernel_range.end) ||
        !contains(frame.value, page_size))
        throw ModelError("a page that can't be shown in the kernel's half");
    const std::lock_guard guard(mirrored_mutex_);
    const auto [place, added] = mirrored_.try_emplace(page.value, frame.value);
    if (!added && place->second == frame.value) return;
    place->second = frame.value;
    checked(mmap(at(page.value), page_size, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_FIXED, file_,
                 static_cast<off_t>(frame.value)),
            "mirror");
}

std::map<std::uint64_t, std::uint64_t> Arena::mirrored(VirtRange range) const {
    const std::lock_guard guard(mirrored_mutex_);
    return {mirrored_.lower_bound(range.start.value), mirrored_.lower_bound(range.end.value)};
}

void Arena::unmirror(VirtAddr page) {
    const std::lock_guard guard(mirrored_mutex_);
    if (mirrored_.erase(page.value) == 0) return;
    checked(mmap(at(page.value), page_size, PROT_NONE,
                 MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | MAP_FIXED, -1, 0),
            "unmirror");
}

void Arena::unmirror_all() {
    if (mirrored_.empty()) return;
    mirrored_.clear();
    checked(mmap(at(kernel_range.start.value), kernel_range.bytes(), PROT_NONE,
                 MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | MAP_FIXED, -1, 0),
            "unmirror");
}

void* Arena::records(std::size_t bytes) {
    if (bytes > records_limit || madvise(records_, records_limit, MADV_DONTNEED) != 0)
        throw ModelError("frame records");
    return records_;
}

} // namespace shim
