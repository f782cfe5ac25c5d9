// SPDX-License-Identifier: MIT
// The process directory's server: user/lib/directory_protocol.hpp says what is asked and answered.
#pragma once

#include "abi/types.hpp"
#include "user/init/process_table.hpp"
#include "user/lib/vector.hpp"

namespace init {

class Server {
public:
    Server(ProcessTable& processes, abi::Handle endpoint, abi::Handle power)
        : processes_(processes), endpoint_(endpoint), power_(power) {}
    /// Answers requests for ever.
    [[noreturn]] void serve();

private:
    /// Answers `request`; `message` becomes the answer.
    Result<void> answer(abi::Message& message);
    Result<void> answer_enroll(abi::Message& message);
    Result<void> answer_next(abi::Message& message);
    Result<void> answer_state(abi::Message& message);
    Result<void> answer_find(abi::Message& message);
    Result<void> answer_runs(abi::Message& message, bool kernel);

    ProcessTable& processes_;
    abi::Handle endpoint_;
    abi::Handle power_;
    user::Vector<user::OwnedHandle> given_; ///< with the last answer: closed when it was given
};

} // namespace init
