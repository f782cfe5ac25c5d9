// SPDX-License-Identifier: MIT
// Threads of one process on CPUs of their own, each at work in a region of its own: what they do to
// lines and locks.
#pragma once

#include "shim/lines.hpp"
#include "shim/machine.hpp"

#include <string_view>

namespace shim {

/// An operation of one CPU on a page of its region.
enum class Work : std::uint8_t {
    map,        ///< the first free page of the region
    unmap,      ///< a page that was mapped and not touched
    fault,      ///< first write
    read_fault, ///< first read: the frame of zeros
    to_ro,      ///< protect a written page
    to_rw,      ///< and back
    unmap_written,
};
struct WorkName {
    Work work;
    std::string_view name;
};
inline constexpr WorkName all_work[] = {
    {Work::map, "map_4K"},
    {Work::unmap, "unmap_4K"},
    {Work::fault, "fault_4K"},
    {Work::read_fault, "readfault_4K"},
    {Work::to_ro, "protect_4K_to_ro"},
    {Work::to_rw, "protect_4K_to_rw"},
    {Work::unmap_written, "unmap_written_4K"},
};

/// Regions of 32 MiB, one a CPU, each with its tables present.
class Disjoint {
public:
    struct Options {
        bool mirrored_roots = false; ///< user mode runs on a root of its own
        bool keeps_page = true; ///< a page in each region stays; else its table empties each time
    };
    explicit Disjoint(unsigned cpus) : Disjoint(cpus, Options{}) {}
    Disjoint(unsigned cpus, Options options);
    ~Disjoint();

    struct Result {
        std::vector<LineModel::Counts> counts; ///< of each operation
        LineModel::Common common;              ///< of all CPUs
    };
    /// Each CPU does this `rounds` times, in turns, with what must come before and after; that is
    /// not counted. Everything is warm.
    Result measure(Work work, unsigned rounds = 4);
    /// All of it one after the other, counted together: what several kinds have in common.
    LineModel::Common measure_all(unsigned rounds = 4);
    /// The same for `pages` at a time: mapped and written one by one, then unmapped one by one.
    LineModel::Common measure_groups(unsigned pages, unsigned rounds = 2);
    /// As `measure` for first writes of `pages` (at most 512) fresh pages, an operation each.
    Result measure_many_faults(unsigned pages);

    /// CPUs by chance map, write and unmap pages of their regions, up to `most` at a time, so that
    /// frames come and go between their caches and the zones; `steps` times.
    void mix(unsigned steps, unsigned most, unsigned seed);

    vm::AddressSpace& space() { return *space_; }
    Machine& machine() { return machine_; }

private:
    static constexpr std::uint64_t region_bytes = 32ULL << 20;
    static MachineOptions machine_options(unsigned cpus, Options options);
    static VirtAddr region(unsigned cpu);
    template <typename Step>
    void on_each(Step&& step);
    void prepare(Work work);
    void perform(Work work);
    void clean(Work work);
    void map();
    void unmap();
    void touch(Operation operation);
    void protect(vm::Access access);

    unsigned cpus_;
    Machine machine_;
    Space space_;
    std::vector<VirtAddr> pages_; ///< that each CPU works on
};

} // namespace shim
