// SPDX-License-Identifier: MIT
// The judge of a scenario: see scenario.hpp.
#pragma once

#include "explorer/scenario.hpp"
#include "shim/check.hpp"
#include "shim/objects.hpp"

#include <algorithm>
#include <map>
#include <set>

namespace explorer {

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
        place_.child_lives = scenario.start == Start::forked;
        explorer_.keep(&place_.child_lives, sizeof place_.child_lives);
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
        if (scenario.start == Start::objects || scenario.start == Start::grafted) make_object();
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
        object_ = shim::paged_object(object_pages);
        for (std::uint64_t index = 0; index < object_pages; ++index)
            if (!shim::supply(*object_, index, 300 + index).ok()) throw shim::ModelError("no page");
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
        if (place_.child_lives) all.push_back(&child_);
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

} // namespace explorer
