// SPDX-License-Identifier: MIT
// Commands that run in the background.
#include "user/sh/jobs.hpp"

#include "user/lib/calls.hpp"
#include "user/lib/directory.hpp"
#include "user/lib/print.hpp"

namespace sh {

void Jobs::add(user::OwnedHandle process, std::uint64_t id, std::string_view name) {
    const unsigned number = jobs_.empty() ? 1 : jobs_.back().number + 1;
    user::print("[{}] {}\n", number, id);
    jobs_.push({number, id, std::move(process), user::Text(name)});
}

void Jobs::report_ended() {
    for (std::size_t i = 0; i < jobs_.size();) {
        const Job& job = jobs_[i];
        const auto info = user::process_info(job.process.get());
        if (info && info->exited == 0) {
            ++i;
            continue;
        }
        user::print("[{}] {} ended with status {}\n", job.number, job.name.view(),
                    info ? info->status : 0);
        (void)user::directory::remove(job.id);
        jobs_.erase(i);
    }
}

void Jobs::list() const {
    for (const Job& job : jobs_) {
        user::print("[{}] {} {}\n", job.number, job.id, job.name.view());
    }
}

} // namespace sh
