//! Building graphs of objects whose Rust types are known.

use drawloom_model::{Attributes, ObjectId, TaskGraph};
use drawloom_signature::{CheckError, ValueType, check_graph};

use super::{Data, Inputs, Object, Output};
use crate::{GraphBuilder, TaskHandle};

/// What a typed handle says of an output.
#[derive(Clone, Debug)]
pub(crate) struct Declared {
    task: u32,
    output: u16,
    fits: fn(&ValueType) -> bool,
    expected: &'static str,
}

/// Why a typed graph is refused before it is submitted.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum TypeError {
    /// A kernel cannot be called so.
    #[error(transparent)]
    Call(#[from] CheckError),
    /// A task makes something else than its handle says.
    #[error("output {output} of task {task} ({run}) is {found}, not {expected}")]
    Output {
        /// The task.
        task: u32,
        /// What it runs.
        run: String,
        /// Which output.
        output: u16,
        /// What it makes.
        found: String,
        /// What the handle says.
        expected: &'static str,
    },
}

/// Objects with Rust types. Typed and untyped tasks mix as one likes.
///
/// ```
/// # use drawloom_client::{Attributes, GraphBuilder, Tensor, attributes};
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # let cluster = drawloom_cluster::Embedded::start(Default::default()).await?;
/// # let client = cluster.client();
/// let mut graph = GraphBuilder::new("typed");
/// let x = graph.value("x", Tensor::new([2, 2], vec![1f32, 2.0, 3.0, 4.0])?);
/// let square = graph.call::<Tensor<f32>>("matmul", Attributes::new(), (x, x));
/// let total = graph.call::<f32>("sum", Attributes::new(), square);
/// graph.keep("square", square);
/// graph.keep("total", total);
///
/// let job = client.submit(graph.build_checked()?).await?.share();
/// assert_eq!(job.result(total).await?, 54.0);
/// assert_eq!(job.result(square).await?.elements(), [7.0, 10.0, 15.0, 22.0]);
/// # cluster.stop().await;
/// # Ok(())
/// # }
/// ```
impl GraphBuilder {
    /// An object that comes with the graph.
    pub fn value<T: Data>(&mut self, name: impl Into<String>, value: T) -> Object<T> {
        Object::new(self.literal(name, value.into_value()))
    }

    /// An object that was put before.
    pub fn external_of<T: Data>(&mut self, object: ObjectId) -> Object<T> {
        Object::new(self.external(object))
    }

    /// A task that runs a kernel of the catalogue on one core and of whose outputs the first is
    /// wanted.
    pub fn call<T: Data>(
        &mut self,
        kernel: &str,
        attributes: Attributes,
        inputs: impl Inputs,
    ) -> Output<T> {
        let task = self.task(kernel, attributes).inputs(inputs.into_inputs()).add();
        self.output_of(task, 0)
    }

    /// One of a task's outputs, counted from 0.
    pub fn output_of<T: Data>(&mut self, task: TaskHandle, output: u16) -> Output<T> {
        let (fits, expected) = (T::fits, T::EXPECTED);
        self.declared.push(Declared { task: task.index(), output, fits, expected });
        Output::new(task, output)
    }

    /// Keeps an output after its last use, to be got by this name and by [`crate::Job::result`].
    pub fn keep<T>(&mut self, name: impl Into<String>, output: Output<T>) {
        self.output(name, output.into());
    }

    /// The graph, once its calls and the types of its handles are found to agree. The scheduler
    /// checks calls again.
    ///
    /// # Errors
    /// The first that does not agree, with its task.
    pub fn build_checked(self) -> Result<TaskGraph, TypeError> {
        let unknown = ValueType::default;
        let types = check_graph(&self.graph, &|_, _| unknown(), &|_| unknown())?;
        for Declared { task, output, fits, expected } in &self.declared {
            let known = types.output(*task, *output).filter(|found| !fits(found));
            let Some(found) = known.map(ToString::to_string) else { continue };
            let run = self.run_of(*task);
            return Err(TypeError::Output { task: *task, run, output: *output, found, expected });
        }
        Ok(self.build())
    }

    /// What a task of this graph runs.
    fn run_of(&self, task: u32) -> String {
        let place = task.checked_sub(self.graph.first_task);
        let task = place.and_then(|place| self.graph.tasks.get(place as usize));
        let template = task.and_then(|task| self.graph.templates.get(task.template as usize));
        let variant = template.and_then(|template| template.variants.first());
        variant.map(|variant| variant.run.name().to_owned()).unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::super::Tensor;
    use super::*;
    use crate::attributes;

    fn squares(graph: &mut GraphBuilder) -> Output<Tensor<f32>> {
        let x = Tensor::new([2, 2], vec![1f32; 4]).expect("four");
        let x = graph.value("x", x);
        graph.call("matmul", Attributes::new(), (x, x))
    }

    #[test]
    fn handles_that_agree_make_a_graph() {
        let mut graph = GraphBuilder::new("typed");
        let square = squares(&mut graph);
        let total: Output<f32> = graph.call("sum", Attributes::new(), square);
        let rows: Output<Vec<f32>> =
            graph.call("sum", attributes([("axes", vec![1i64])]), [square]);
        graph.keep("total", total);
        graph.keep("rows", rows);
        let graph = graph.build_checked().expect("sound");
        assert_eq!(graph.tasks.len(), 3);
        assert_eq!(graph.outputs[1].object, rows.into());
    }

    #[test]
    fn a_handle_of_another_type_is_refused_with_its_task() {
        let mut graph = GraphBuilder::new("wrong");
        let square = squares(&mut graph);
        let _: Output<f64> = graph.call("sum", Attributes::new(), square);
        let error = graph.build_checked().expect_err("f32 is not f64").to_string();
        assert_eq!(error, "output 0 of task 1 (sum) is f32[], not a tensor of one f64");
        let mut graph = GraphBuilder::new("wrong");
        let square = squares(&mut graph);
        let _: Output<f32> = graph.output_of(square.task(), 0);
        let error = graph.build_checked().expect_err("four are not one").to_string();
        assert!(error.contains("is f32[2, 2], not a tensor of one f32"), "{error}");
    }

    #[test]
    fn calls_that_cannot_be_are_refused_here() {
        let mut graph = GraphBuilder::new("wrong");
        let x = graph.value("x", Tensor::new([2, 3], vec![0f32; 6]).expect("six"));
        let _: Output<Vec<f32>> = graph.call("matmul", Attributes::new(), (x, x));
        let error = graph.build_checked().expect_err("3 is not 2");
        assert!(matches!(error, TypeError::Call(_)), "{error}");
    }

    #[test]
    fn additions_may_take_what_they_do_not_know() {
        let mut graph = GraphBuilder::addition(7);
        let earlier = graph.output_of::<f32>(TaskHandle::from_index(3), 0);
        let _: Output<f32> = graph.call("neg", Attributes::new(), earlier);
        assert_eq!(graph.build_checked().expect("unknown fits").first_task, 7);
    }
}
