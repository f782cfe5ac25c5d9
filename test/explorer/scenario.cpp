// SPDX-License-Identifier: MIT
// The judge of scenarios.
#include "explorer/scenario.hpp"

#include "shim/check.hpp"
#include "vm/validate.hpp"

#include <algorithm>
#include <map>
#include <memory>
#include <set>
#include <sys/mman.h>

namespace explorer {

namespace {

constexpr std::string_view separator = " | ";
/// What a scenario's name begins with, by its start.
constexpr std::string_view marks[] = {"", "sparse: ", "objects: ", "forked: "};

/// A scenario's machine and space, and what became of its runs.
class Trial {
public:
    explicit Trial(const Scenario& scenario)
        : machine_({.zones = shim::MachineOptions::small_zones(), .cpus = cpu_most}),
          space_(prepared(scenario)), explorer_(machine_, *space_),
          place_{explorer_, machine_, *space_, *other_, child_, copies_, object_.get()} {
        explorer_.keep(&child_, sizeof child_);
        explorer_.keep(&copies_, sizeof copies_);
        explorer_.keep(&*other_, sizeof *other_);
        explorer_.keep(&place_.copied, sizeof place_.copied);
        explorer_.keep(&place_.child_ended, sizeof place_.child_ended);
        has_child_ = scenario.start == Start::forked;
        explorer_.without_trace([&] { totals_ = end_spaces(); });
        for (std::string_view name : scenario.operations) {
            const Operation& todo = operation(name);
            fits_ = fits_ || todo.kind == Kind::first_fit;
            takes_pages_.push_back(todo.kind == Kind::evict || todo.kind == Kind::shrink);
            if (todo.in_child) explorer_.runs[explorer_.bodies.size()] = &child_;
            explorer_.bodies.push_back(
                [this, &todo](unsigned cpu) { results_[cpu] = perform(place_, todo); });
        }
    }

    Explorer& explorer() { return explorer_; }

    /// What one order of the operations, one at a time, comes to; of all orders, and all reasons
    /// for which pages may be refused to leave an object.
    void learn_orders(std::size_t cpu = 0) {
        if (cpu < takes_pages_.size()) {
            using Refusal = Place::Refusal;
            for (const Refusal refusal : {Refusal::none, Refusal::at_once, Refusal::in_hand}) {
                place_.refusals[cpu] = refusal;
                if (refusal == Refusal::none || takes_pages_[cpu]) learn_orders(cpu + 1);
            }
            place_.refusals[cpu] = Refusal::none;
            return;
        }
        explorer_.judge = [&] {
            for (const VirtAddr fitted : place_.fitted)
                highest_fit_ = std::max(highest_fit_, fitted);
            for (std::size_t page = 0; page < place_.told.size(); ++page)
                true_once_[page].insert(place_.told[page]);
            orders_.insert({place_.fits, outcome()});
        };
        explorer_.explore(Switching::at_boundaries, 0);
    }
    void judge() {
        explorer_.judge = [&] { judge_run(); };
    }
    /// Whether all that was seen is what some order comes to; else why not, and by which schedule.
    std::pair<std::string, Schedule> compare() {
        for (const auto& [seen, schedule] : outcomes_) {
            const auto& [fitted, text] = seen;
            if (fits_) {
                if (std::ranges::any_of(fitted, [&](VirtAddr at) { return highest_fit_ < at; }))
                    return {"a hole further down was not found", schedule};
                place_.fits = fitted;
                learn_orders();
            }
            if (!orders_.contains({place_.fits, text}))
                return {"no order of the operations comes to\n" + text, schedule};
        }
        return {};
    }
    std::size_t outcomes() const { return outcomes_.size(); }
    std::size_t states() const { return states_.size(); }
    vm::AddressSpace& space() { return *space_; }

private:
    using Outcome = std::pair<Fits, std::string>; ///< where first_fit mapped, and all else

    shim::Space& prepared(const Scenario& scenario) {
        if (scenario.start == Start::objects) make_object();
        build(machine_, *owner_, cpu_most, scenario.start, object_.get());
        const vm::MapRequest wanted{
            .address = page_at(0), .pages = {2}, .placement = vm::Placement::fixed};
        if (!other_->map(wanted).ok() ||
            other_->resolve(page_at(0), {.write = true}) != vm::Resolution::resolved)
            throw shim::ModelError("no other space");
        if (scenario.start == Start::forked) make_child(scenario);
        return owner_;
    }
    /// One with a pager, all of whose pages are resident.
    void make_object() {
        auto made = vm::MemoryObject::make_paged({object_pages}, vm::Ceiling::all(), {});
        if (!made.ok()) throw shim::ModelError("no object");
        object_ = std::move(*made);
        for (std::uint64_t index = 0; index < object_pages; ++index) {
            vm::FreshFrames page(0);
            if (!page.allocate_zeros(vm::FrameKind::cache)) throw shim::ModelError("no page");
            *static_cast<std::uint64_t*>(vm::direct(page.first())) = 300 + index;
            if (!object_->supply(index, page).ok()) throw shim::ModelError("no page");
        }
    }
    /// Takes all pages out of the object, which no space has any more.
    void empty_object() {
        std::array<std::uint64_t, object_pages> written{};
        static_cast<void>(object_->collect_written(0, object_pages, written));
        for (std::uint64_t index = 0; index < object_pages; ++index)
            static_cast<void>(object_->evict(index));
        // Without the tables that it has while there is none.
        static_cast<void>(object_->resize({object_pages + 1}));
        static_cast<void>(object_->resize({1}));
        if (object_->resident().value != 0) explorer_.fail("a page of the object has users left");
    }
    /// CPUs that do something there run it, and all have the pages in their caches.
    void make_child(const Scenario& scenario) {
        if (!owner_->fork_into(child_).ok()) throw shim::ModelError("no child");
        for (unsigned cpu = 0; cpu < scenario.operations.size(); ++cpu) {
            shim::set_cpu(cpu);
            vm::AddressSpace* runs = &*owner_;
            if (operation(scenario.operations[cpu]).in_child) {
                owner_->translations().running.remove(cpu);
                runs = &child_;
                runs->translations().running.add(cpu);
                machine_.mmu().load_root(cpu, runs->user_root().value);
            }
            for (int page = -2; page < 2; ++page)
                static_cast<void>(machine_.read_word(*runs, page_at(page)));
        }
        shim::set_cpu(0);
    }
    /// All that there are now, but for the other one.
    std::vector<vm::AddressSpace*> spaces() {
        std::vector<vm::AddressSpace*> all{&*space_};
        if (has_child_ && !place_.child_ended) all.push_back(&child_);
        for (unsigned cpu = 0; cpu < cpu_most; ++cpu)
            if (place_.copied[cpu]) all.push_back(&copies_[cpu]);
        return all;
    }
    shim::Totals end_spaces() {
        for (vm::AddressSpace* space : spaces()) {
            machine_.leave(*space);
            space->destroy();
        }
        other_->destroy();
        if (object_) empty_object();
        return shim::Totals::now();
    }
    std::string outcome() {
        std::string text;
        for (unsigned cpu = 0; cpu < explorer_.bodies.size(); ++cpu)
            text += (cpu == 0 ? "" : " | ") + results_[cpu];
        for (const vm::AddressSpace* space : spaces()) text += "\n" + outcome_of(*space);
        return text + "\n" + outcome_of(*other_);
    }
    void judge_run() {
        std::string wrong;
        for (const vm::AddressSpace* space : spaces()) wrong += machine_.complaints(*space);
        if (!wrong.empty()) return explorer_.fail(wrong);
        for (std::size_t page = 0; page < place_.told.size(); ++page)
            if (!true_once_[page].contains(place_.told[page]))
                return explorer_.fail("query told " + place_.told);
        std::uint64_t state = explorer_.state();
        for (const std::string& result : results_)
            state = state * 31 + std::hash<std::string>{}(result);
        if (!states_.insert(state).second) return;
        for (const vm::AddressSpace* space : spaces()) wrong += shim::faults_of(machine_, *space);
        if (!wrong.empty()) return explorer_.fail(wrong);
        outcomes_.try_emplace({place_.fitted, outcome()}, explorer_.schedule());
        const shim::Totals totals = end_spaces();
        if (totals != totals_)
            explorer_.fail("lost: " + totals.text() + ", where there were " + totals_.text());
    }

    shim::Machine machine_;
    shim::Space owner_{machine_};
    shim::Space other_{machine_};
    vm::AddressSpace child_;
    std::array<vm::AddressSpace, cpu_most> copies_;
    bool has_child_ = false;
    vm::ObjectRef object_;
    std::vector<bool> takes_pages_; ///< by CPU: out of the object
    shim::Space& space_;
    Explorer explorer_;
    Place place_;
    bool fits_ = false;
    shim::Totals totals_{};
    std::array<std::string, cpu_most> results_;
    std::set<std::uint64_t> states_;
    std::map<Outcome, Schedule> outcomes_;
    std::set<Outcome> orders_;
    std::array<std::set<char>, end_page - first_page> true_once_;
    VirtAddr highest_fit_{};
};

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
                                             "kernel",   "page", "cache"};
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
    for (const Start start : {Start::sparse, Start::objects, Start::forked}) {
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
