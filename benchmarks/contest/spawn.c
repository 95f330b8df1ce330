/* bench-spawn FILE COMMAND...: runs the command; writes time, CPU and memory to FILE as JSON.

   It uses almost no memory itself. A process inherits the peak memory of the process that started it
   (Linux keeps it across execve), so one started from Python would never show less than Python's.
   It adopts the command's orphans, so the CPU of those that have ended by then counts, too. */

#include <signal.h>
#include <stdio.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

static double now_s(void) {
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

static double seconds(struct timeval time) {
    return (double)time.tv_sec + (double)time.tv_usec / 1e6;
}

int main(int argument_count, char **arguments) {
    struct rusage usage;
    int status;
    if (argument_count < 3) return 2;
    prctl(PR_SET_CHILD_SUBREAPER, 1);
    double begin = now_s();
    pid_t child = fork();
    if (child < 0) return 1;
    if (!child) {
        prctl(PR_SET_PDEATHSIG, SIGKILL);
        execvp(arguments[2], arguments + 2);
        perror(arguments[2]);
        _exit(127);
    }
    if (wait4(child, &status, 0, &usage) != child) return 1;
    double wall_s = now_s() - begin;
    long peak_kib = usage.ru_maxrss;
    while (waitpid(-1, NULL, WNOHANG) > 0) {
    }
    getrusage(RUSAGE_CHILDREN, &usage);
    FILE *file = fopen(arguments[1], "w");
    if (!file) return 1;
    fprintf(file, "{\"wall_s\": %.6f, \"cpu_s\": %.6f, \"peak_bytes\": %ld, \"exit_code\": %d}\n",
            wall_s, seconds(usage.ru_utime) + seconds(usage.ru_stime), peak_kib * 1024,
            WIFEXITED(status) ? WEXITSTATUS(status) : -WTERMSIG(status));
    return fclose(file) ? 1 : 0;
}
