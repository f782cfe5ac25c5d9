// SPDX-License-Identifier: MIT
// The search: depth first over all choices, by running from the start each time. Two things keep
// it small.
//
// Points: only before a step on a word that another CPU uses too, and one of them writes, a CPU is
// preempted. All others might as well have happened before or after.
//
// Sleep: at a point the CPU that runs goes on first; in the schedules that come after, where it was
// preempted, it sleeps until another CPU takes a step that conflicts with the one it was about to
// take. A schedule that would go on with a CPU that still sleeps has the same steps as one that was
// run already with no more preemptions, where this step came first.
#include "explorer/explorer.hpp"

#include <bit>

namespace explorer {

namespace {
unsigned lowest(unsigned set) { return static_cast<unsigned>(std::countr_zero(set)); }
} // namespace

void Explorer::point(const MemoryAccess& access) {
    // Members of other CPUs change while this one is stopped; its own step stays its own.
    const unsigned self = running_;
    const bool user = user_;
    const Instruction* const walking = walking_;
    unsigned chosen = self;
    {
        const Quiet quiet(*this);
        chosen = choose(self, access);
    }
    if (failed_) abandon();
    if (chosen == self) return;
    next_ = chosen;
    user_ = false;
    walking_ = nullptr;
    leave();
    user_ = user;
    walking_ = walking;
}

unsigned Explorer::choose(unsigned running, const MemoryAccess& access) {
    if (given_ != nullptr) return replayed(running);
    const unsigned all = all_enabled();
    if (redundant_) return running == cpu_most ? lowest(all) : running;
    unsigned options = 0;
    for (unsigned cpu = 0; cpu < bodies.size(); ++cpu)
        if ((all >> cpu & 1) != 0 && !cpus_[cpu].asleep) options |= 1U << cpu;
    if (running == cpu_most || switching_ == Switching::at_boundaries) {
        if (options != 0) return choose_of(running, options);
        redundant_ = true;
        return lowest(all);
    }
    if (preemptions_ == bound_) return running;
    const unsigned chosen = choose_of(running, options);
    if (chosen != running) {
        ++preemptions_;
        cpus_[running].asleep = reduces;
        cpus_[running].next = access;
    }
    return chosen;
}

unsigned Explorer::choose_of(unsigned running, unsigned options) {
    if (std::has_single_bit(options)) return lowest(options);
    const std::uint32_t step = running == cpu_most ? 0 : cpus_[running].steps;
    if (depth_ == path_.size()) {
        const bool goes_on = running != cpu_most && (options >> running & 1) != 0;
        path_.push_back({running, step, options, 0, goes_on ? running : lowest(options)});
    }
    const Node& node = path_[depth_++];
    if (node.cpu != running || node.step != step || node.options != options)
        fail("the same schedule is not the same run");
    return node.chosen;
}

bool Explorer::backtrack() {
    for (; !path_.empty(); path_.pop_back()) {
        Node& node = path_.back();
        node.tried |= 1U << node.chosen;
        const unsigned left = node.options & ~node.tried;
        if (left == 0) continue;
        node.chosen = lowest(left);
        return true;
    }
    return false;
}

void Explorer::search() {
    statistics_ = {};
    path_.clear();
    do {
        run();
    } while (failures_.empty() && backtrack());
}

Statistics Explorer::explore(Switching switching, unsigned preemptions) {
    switching_ = switching;
    in_fibers([&] {
        if (switching == Switching::at_boundaries) return search();
        // What few preemptions show to be common, fewer runs have to be made for again.
        for (bound_ = 0; bound_ <= preemptions; ++bound_) {
            do {
                search();
                if (!failures_.empty()) return;
            } while (words_.reveal());
        }
    });
    statistics_.points = words_.visible();
    return statistics_;
}

unsigned Explorer::replayed(unsigned running) {
    const Schedule& given = *given_;
    const unsigned all = all_enabled();
    if (running == cpu_most) {
        if (turn_ == given.size()) return lowest(all);
    } else if (turn_ == 0 || turn_ == given.size() ||
               given[turn_ - 1].before != cpus_[running].steps) {
        return running;
    }
    const unsigned chosen = given[turn_++].cpu;
    if (chosen < bodies.size() && (all >> chosen & 1) != 0) return chosen;
    fail("the schedule is of another run: CPU " + std::to_string(chosen) + " can't go on");
    return running == cpu_most ? lowest(all) : running;
}

} // namespace explorer
