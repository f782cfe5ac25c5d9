// SPDX-License-Identifier: MIT
// Scenarios by name, explored and run again.
#include "explorer/scenario.hpp"

#include "explorer/trial.hpp"

#include <cstdio>
#include <memory>
#include <sys/mman.h>

namespace explorer {

namespace {

constexpr std::string_view separator = " | ";
/// What a scenario's name begins with, by its start.
constexpr std::string_view marks[] = {"", "sparse: ", "objects: ", "grafted: ", "forked: "};

/// Words by what they are.
class Naming {
public:
    explicit Naming(vm::AddressSpace& space) : space_(space) {}
    std::string of(std::uintptr_t address) const {
        char text[96];
        const auto inside = [&](const void* first, std::size_t bytes) {
            return address - reinterpret_cast<std::uintptr_t>(first) < bytes;
        };
        if (address - shim::direct_map_base < shim::physical_limit) {
            const PhysAddr frame{align_down(address - shim::direct_map_base, page_size)};
            constexpr const char* kinds[] = {"reserved", "free", "table", "descriptor",
                                             "kernel",   "page", "cache", "cache table"};
            const char* kind = kinds[0];
            if (vm::is_managed(frame))
                kind = kinds[static_cast<unsigned>(vm::FrameKind{vm::frame_record(frame).kind})];
            std::snprintf(text, sizeof text, "%s %#lx + %#lx", kind, frame.value,
                          address % page_size);
        } else if (inside(&vm::frame_record(PhysAddr{0}),
                          (shim::physical_limit >> page_bits) * sizeof(vm::Frame))) {
            const std::uintptr_t offset =
                address - reinterpret_cast<std::uintptr_t>(&vm::frame_record(PhysAddr{0}));
            std::snprintf(text, sizeof text, "record of frame %#lx + %lu",
                          offset / sizeof(vm::Frame) << page_bits, offset % sizeof(vm::Frame));
        } else if (inside(&space_, sizeof space_)) {
            std::snprintf(text, sizeof text, "the space + %#lx",
                          address - reinterpret_cast<std::uintptr_t>(&space_));
        } else {
            std::snprintf(text, sizeof text, "%#lx", address);
        }
        return text;
    }

private:
    vm::AddressSpace& space_;
};

/// A trial that stands at the same address every time, in every process: which purse an account
/// has (vm/commit.hpp) follows from its address, so a schedule would not repeat itself elsewhere.
class Placed {
public:
    explicit Placed(const Scenario& scenario)
        : trial_(*std::construct_at(static_cast<Trial*>(home()), scenario)) {}
    ~Placed() { std::destroy_at(&trial_); }
    Placed(const Placed&) = delete;
    Placed& operator=(const Placed&) = delete;
    Trial& operator*() const { return trial_; }

private:
    static void* home() {
        // Beside the places of test/shim/arena.hpp.
        constexpr std::uintptr_t address = 0x2f00'0000'0000;
        static void* const memory =
            mmap(reinterpret_cast<void*>(address), align_up(sizeof(Trial), page_size),
                 PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED_NOREPLACE, -1, 0);
        if (memory != reinterpret_cast<void*>(address))
            throw shim::ModelError("no place for a trial");
        return memory;
    }
    Trial& trial_;
};

void set_failure(Verdict& verdict, const std::string& what, const Schedule& schedule) {
    verdict.failure = what;
    verdict.schedule = to_text(schedule);
}

void conclude(Trial& trial, Verdict& verdict) {
    verdict.outcomes = trial.outcomes();
    verdict.states = trial.states();
    if (const auto& failures = trial.explorer().failures(); !failures.empty())
        return set_failure(verdict, failures.front().what, failures.front().schedule);
    const auto [what, schedule] = trial.compare();
    if (!what.empty()) set_failure(verdict, what, schedule);
}

} // namespace

std::string Scenario::name() const {
    std::string text(marks[static_cast<unsigned>(start)]);
    for (std::size_t at = 0; at < operations.size(); ++at) {
        if (at != 0) text += separator;
        text += operations[at];
    }
    return text;
}

Scenario Scenario::named(std::string_view name) {
    Scenario scenario;
    for (const Start start : {Start::sparse, Start::objects, Start::grafted, Start::forked}) {
        const std::string_view mark = marks[static_cast<unsigned>(start)];
        if (!name.starts_with(mark)) continue;
        scenario.start = start;
        name.remove_prefix(mark.size());
    }
    for (;;) {
        const std::size_t end = name.find(separator);
        scenario.operations.push_back(operation(name.substr(0, end)).name);
        if (end == std::string_view::npos) return scenario;
        name.remove_prefix(end + separator.size());
    }
}

Verdict explore(const Scenario& scenario, const Way& way) {
    const Placed placed(scenario);
    Trial& trial = *placed;
    trial.learn_orders();
    trial.judge();
    trial.explorer().saboteur = way.saboteur;
    trial.explorer().reduces = way.reduces;
    Verdict verdict;
    verdict.statistics = trial.explorer().explore(Switching::preemptive, scenario.preemptions);
    trial.explorer().saboteur = nullptr;
    conclude(trial, verdict);
    return verdict;
}

Verdict replay(const Scenario& scenario, const Schedule& schedule, std::string& trace,
               Saboteur* saboteur) {
    const Placed placed(scenario);
    Trial& trial = *placed;
    trial.learn_orders();
    trial.judge();
    trial.explorer().saboteur = saboteur;
    const Naming names(trial.space());
    trial.explorer().replay(
        schedule, [&](unsigned cpu, std::uint32_t step, const MemoryAccess& access) {
            trace += "CPU " + std::to_string(cpu) + " step " + std::to_string(step) +
                     (access.writes ? ": writes " : ": reads ") + names.of(access.address) + "\n";
        });
    trial.explorer().saboteur = nullptr;
    Verdict verdict;
    conclude(trial, verdict);
    return verdict;
}

} // namespace explorer
