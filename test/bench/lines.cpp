// SPDX-License-Identifier: MIT
// Prints what operations of the map cost in what instructions don't show: lines, entry writes,
// locks, flushes; and what CPUs have in common that work in regions of their own. All are counts,
// the same in every run: name <TAB> ops <TAB> median <TAB> min <TAB> mean.
#include "shim/disjoint.hpp"

#include <algorithm>
#include <cstdio>
#include <numeric>

namespace {

using shim::Disjoint;
using shim::LineModel;
using Counts = LineModel::Counts;

constexpr unsigned few_cpus = 4;
constexpr unsigned many_cpus = 128;

struct Column {
    const char* name;
    std::uint64_t Counts::* count;
};
constexpr Column columns[] = {
    {"lines_read", &Counts::lines_read},     {"lines_written", &Counts::lines_written},
    {"entry_writes", &Counts::entry_writes}, {"locks", &Counts::locks},
    {"flushes", &Counts::flushes},           {"flushed_pages", &Counts::flushed_pages},
    {"interrupts", &Counts::interrupts},
};

void print(const std::string& name, std::vector<std::uint64_t> figures) {
    std::ranges::sort(figures);
    const double sum =
        static_cast<double>(std::accumulate(figures.begin(), figures.end(), std::uint64_t{0}));
    std::printf("%s\t%zu\t%lu\t%lu\t%g\n", name.c_str(), figures.size(),
                figures[figures.size() / 2], figures.front(),
                sum / static_cast<double>(figures.size()));
}

void print(std::string_view work, const Disjoint::Result& result) {
    for (const Column& column : columns) {
        std::vector<std::uint64_t> figures;
        for (const Counts& counts : result.counts) figures.push_back(counts.*column.count);
        print(std::string(work) + "_" + column.name, figures);
    }
}

void print(std::string_view work, const LineModel::Common& common) {
    const std::string name(work);
    print(name + "_shared_written_lines", {common.written.size()});
    print(name + "_disturbed_lines", {common.disturbed.size()});
    print(name + "_contended_locks", {common.locks.size()});
}

} // namespace

int main() {
    std::printf("# counts per operation with %u CPUs; what CPUs have in common with %u\n"
                "#name\tops\tmedian\tmin\tmean\n",
                few_cpus, many_cpus);
    for (const shim::WorkName& named : shim::all_work) {
        {
            Disjoint few(few_cpus);
            print(named.name, few.measure(named.work, 16));
        }
        Disjoint many(many_cpus);
        print(named.name, many.measure(named.work).common);
    }
    {
        Disjoint few(few_cpus);
        print("fault_2M_by_4K", few.measure_many_faults(512));
    }
    Disjoint many(many_cpus);
    print("all", many.measure_all());
}
