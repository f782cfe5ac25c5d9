// SPDX-License-Identifier: MIT
// Work on disjoint regions, measured.
#include "shim/disjoint.hpp"

#include <random>

namespace shim {

namespace {

void must(bool done, const char* what) {
    if (!done) throw ModelError(what);
}

} // namespace

MachineOptions Disjoint::machine_options(unsigned cpus, Options options) {
    // Enough for each CPU's cache of frames and a few tables, besides what it holds.
    const std::uint64_t bytes = align_up((cpus + 4ULL) * 1024 * page_size, 1ULL << 22);
    return {.zones = {{PhysAddr{1ULL << 32}, PhysAddr{(1ULL << 32) + bytes}}},
            .cpus = cpus,
            .mirrored_roots = options.mirrored_roots};
}

VirtAddr Disjoint::region(unsigned cpu) { return VirtAddr{(1ULL << 40) + cpu * region_bytes}; }

template <typename Step>
void Disjoint::on_each(Step&& step) {
    for (unsigned cpu = 0; cpu < cpus_; ++cpu) {
        set_cpu(cpu);
        step(cpu);
    }
    set_cpu(0);
}

Disjoint::Disjoint(unsigned cpus, Options options)
    : cpus_(cpus), machine_(machine_options(cpus, options)), space_(machine_), pages_(cpus) {
    on_each([&](unsigned cpu) {
        space_->translations().running.add(cpu);
        must(space_->map({.address = region(cpu), .pages = {1}, .placement = vm::Placement::fixed})
                 .ok(),
             "no page in a region");
        must(machine_.write_word(*space_, region(cpu), cpu) == vm::Resolution::resolved,
             "no frame in a region");
        pages_[cpu] = region(cpu);
        if (!options.keeps_page) unmap();
    });
}

Disjoint::~Disjoint() {
    on_each([&](unsigned cpu) { space_->translations().running.remove(cpu); });
}

void Disjoint::map() {
    const unsigned cpu = vm::port::cpu();
    const auto at = space_->map({.address = region(cpu), .pages = {1}});
    must(at.ok() && *at < region(cpu) + region_bytes, "no free page in a region");
    pages_[cpu] = *at;
}

void Disjoint::unmap() {
    const VirtAddr page = pages_[vm::port::cpu()];
    must(space_->unmap({page, page + page_size}).ok(), "unmap");
}

void Disjoint::touch(Operation operation) {
    must(machine_.touch(*space_, pages_[vm::port::cpu()], operation).faults == 1, "no fault");
}

void Disjoint::protect(vm::Access access) {
    const VirtAddr page = pages_[vm::port::cpu()];
    must(space_->protect({page, page + page_size}, access).ok(), "protect");
}

void Disjoint::prepare(Work work) {
    if (work == Work::map) return;
    map();
    if (work == Work::unmap || work == Work::fault || work == Work::read_fault) return;
    touch(Operation::write);
    if (work == Work::to_rw) protect(vm::Access::read());
}

void Disjoint::perform(Work work) {
    switch (work) {
    case Work::map: return map();
    case Work::unmap:
    case Work::unmap_written: return unmap();
    case Work::fault: return touch(Operation::write);
    case Work::read_fault: return touch(Operation::read);
    case Work::to_ro: return protect(vm::Access::read());
    case Work::to_rw: return protect(vm::Access::read_write());
    }
}

void Disjoint::clean(Work work) {
    if (work != Work::unmap && work != Work::unmap_written) unmap();
}

Disjoint::Result Disjoint::measure(Work work, unsigned rounds) {
    LineModel lines;
    Result result;
    constexpr unsigned warm_rounds = 2;
    for (unsigned round = 0; round < warm_rounds + rounds; ++round) {
        on_each([&](unsigned) { prepare(work); });
        on_each([&](unsigned) {
            const auto counts = lines.count([&] { perform(work); });
            if (round >= warm_rounds) result.counts.push_back(counts);
        });
        on_each([&](unsigned) { clean(work); });
        if (round < warm_rounds) lines.forget();
    }
    result.common = lines.common();
    return result;
}

void Disjoint::mix(unsigned steps, unsigned most, unsigned seed) {
    std::minstd_rand random(seed);
    std::vector<std::vector<VirtAddr>> held(cpus_);
    for (unsigned step = 0; step < steps; ++step) {
        const auto cpu = static_cast<unsigned>(random() % cpus_);
        std::vector<VirtAddr>& mine = held[cpu];
        set_cpu(cpu);
        if (mine.size() < most && random() % 2 == 0) {
            map();
            touch(Operation::write);
            mine.push_back(pages_[cpu]);
        } else if (!mine.empty()) {
            std::swap(mine[random() % mine.size()], mine.back());
            pages_[cpu] = mine.back();
            mine.pop_back();
            unmap();
        }
    }
    on_each([&](unsigned cpu) {
        for (const VirtAddr page : held[cpu]) {
            pages_[cpu] = page;
            unmap();
        }
    });
}

LineModel::Common Disjoint::measure_all(unsigned rounds) {
    LineModel lines;
    for (unsigned round = 0; round < 2 + rounds; ++round) {
        if (round == 2) lines.forget();
        for (const WorkName& named : all_work) {
            on_each([&](unsigned) {
                lines.count([&] {
                    prepare(named.work);
                    perform(named.work);
                    clean(named.work);
                });
            });
        }
    }
    return lines.common();
}

LineModel::Common Disjoint::measure_groups(unsigned pages, unsigned rounds) {
    LineModel lines;
    for (unsigned round = 0; round < 2 + rounds; ++round) {
        if (round == 2) lines.forget();
        for (unsigned page = 0; page < pages; ++page) {
            on_each([&](unsigned) {
                lines.count([&] {
                    map();
                    touch(Operation::write);
                });
            });
        }
        for (unsigned page = 0; page < pages; ++page) {
            on_each([&](unsigned) {
                lines.count([&] { unmap(); });
                pages_[vm::port::cpu()].value -= page_size;
            });
        }
    }
    return lines.common();
}

Disjoint::Result Disjoint::measure_many_faults(unsigned pages) {
    LineModel lines;
    Result result;
    on_each([&](unsigned cpu) {
        pages_[cpu] = region(cpu) + region_bytes / 2;
        must(space_
                 ->map({.address = pages_[cpu],
                        .pages = {pages},
                        .placement = vm::Placement::fixed,
                        .ceiling = vm::Ceiling::all()})
                 .ok(),
             "map");
    });
    for (unsigned page = 0; page < pages; ++page) {
        on_each([&](unsigned cpu) {
            result.counts.push_back(lines.count([&] { touch(Operation::write); }));
            pages_[cpu] = pages_[cpu] + page_size;
        });
    }
    on_each([&](unsigned cpu) {
        const VirtAddr start = region(cpu) + region_bytes / 2;
        must(space_->unmap({start, start + pages * page_size}).ok(), "unmap");
    });
    result.common = lines.common();
    return result;
}

} // namespace shim
